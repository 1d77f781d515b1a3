// Package contract knows what an answer of the REST facade has to look like.
//
// It has two sources. The types, enumerations and nullability come from
// schemas.yaml, which describes the Graph resources themselves. Which type a
// path answers with, and which members its default answer holds, come from the
// service descriptors, so a new route is covered as soon as it is generated.
//
// Transport wraps an http.RoundTripper and reports every answer that breaks the
// contract: start reading there. Routes is of use on its own, to tests that
// walk everything the suite serves.
package contract
