module entente.dev/directory-svc

go 1.26.0

require (
	entente.dev/proto v0.0.0
	entente.dev/servicekit v0.0.0
	github.com/google/go-cmp v0.7.0
	github.com/google/uuid v1.6.0
)

require google.golang.org/protobuf v1.36.12 // indirect

replace (
	entente.dev/proto => ../proto
	entente.dev/servicekit => ../servicekit
)
