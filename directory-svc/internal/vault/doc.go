// Package vault keeps secrets of the installation unreadable at rest: keys
// for each purpose are derived from the one master key, and values are sealed
// with AES-GCM under such a key. A dump of the database alone opens nothing.
package vault
