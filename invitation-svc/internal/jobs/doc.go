// Package jobs has the background work: delivering mails, answering requests
// for fresh links, recording bad links, the rows of bulk invitations (River
// jobs, enqueued in the transaction of their cause), and the timers that finish what a kill left
// unfinished and forget what is over.
//
// Every piece of work may run twice. Start reading at Mailer.Deliver and
// Timers.RunOnce.
package jobs
