// Package smtp hands composed mails to the deployment's relay. It knows the
// protocol and which failures last; what is sent, and when it is tried again,
// packages mail and jobs decide.
package smtp
