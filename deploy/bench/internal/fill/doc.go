// Package fill makes a great number of objects out of one that the suite made
// itself: it finds every row that the suite wrote for that one and inserts
// copies of them, with the ids and names of each copy in their place. So it
// follows the suite's tables without naming a column of them, key columns
// included, and a hundred thousand objects take seconds.
//
// It works as a superuser, beside the suite. Audit rows are not copied, since
// no column of theirs holds the object's id.
package fill
