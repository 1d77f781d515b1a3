// Package mail writes the mails of the service: the invitation with its copy
// (INV-40), the notice of automatic redemption (INV-46) and the passcode
// (INV-47), as text and HTML, in the language of the reader (INV-42).
//
// It composes values; delivering them is the work of package jobs. Every
// variable is escaped for the place it stands in, words of the inviter never
// become a link, and a header value with a line end is refused (INV-43). The
// texts are files in catalogue/, one per language; a new file is a new
// language. Start reading at Composer.
package mail
