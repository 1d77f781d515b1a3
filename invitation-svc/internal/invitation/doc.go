// Package invitation has the rules of inviting: what an address and a redirect
// URL are (INV-5, INV-9), what a request may say, which gates it passes and in
// which order (INV-13, INV-19), what then happens to the person invited, and
// the states of an invitation (INV-106).
//
// It decides from what it is given. Policy answers, directory conflicts and
// counters are looked up before and handed in as Facts; nothing here waits,
// reads a clock or draws a random value. Start reading at Admit.
package invitation
