// Package passcode knows the one-time code that shows control of a mailbox:
// how it is drawn, what is stored of it (INV-79), when it is dead, and how
// wrong tries add up to a lock (INV-82). All of it is arithmetic over values
// that the store keeps; the code itself is only ever in the mail.
//
// Start reading at New, MAC and Lock.
package passcode
