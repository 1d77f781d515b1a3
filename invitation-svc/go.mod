module entente.dev/invitation-svc

go 1.26.0

require (
	entente.dev/proto v0.0.0
	entente.dev/servicekit v0.0.0
	github.com/google/uuid v1.6.0
	golang.org/x/net v0.60.0
	golang.org/x/text v0.43.0
)

require google.golang.org/protobuf v1.36.12 // indirect

replace entente.dev/proto => ../proto

replace entente.dev/servicekit => ../servicekit
