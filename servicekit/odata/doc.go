// Package odata reads the query options of Graph ($filter, $orderby, $search)
// and turns them into SQL for one table.
//
// ParseFilter makes a syntax tree without knowing any resource. Compile walks
// it against a message descriptor, whose field options say which property
// supports which operator (DIR-195 to DIR-206), and against Columns, with
// which the service says where each property is stored. The SQL has constant
// text from Columns and bound values only. Text compares by stored lower-case
// key columns with leakproof operators, so that indexes work under row-level
// security; nulls compare as OData says (`ne` and `not` match them).
//
// Order pages by keyset, Tokens seals the position of a page into a token
// that is bound to tenant, caller, route and query.
package odata
