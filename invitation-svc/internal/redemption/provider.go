package redemption

// Stage is a place in the redemption order of a tenant (INV-70, INV-71).
type Stage string

// The stages a provider can belong to.
const (
	Organization Stage = "azureActiveDirectory"
	Federation   Stage = "externalFederation"
	Social       Stage = "socialIdentityProviders"
	// Fallbacks are asked when no stage of the order has a candidate.
	Passcodes Stage = "emailOneTimePasscode"
	Personal  Stage = "microsoftAccount"
)

// defaultFallback asks passcodes, as the personal realm has no accounts to
// find first unless a provider of that stage is registered.
const defaultFallback = "defaultConfiguredIdp"

// Invitee is what discovery may look at. Routing depends on the domain alone,
// so that nobody learns from it which addresses exist (INV-56).
type Invitee struct {
	Domain     string
	HomeTenant bool // a tenant of this deployment verified the domain
}

// Order is the redemption order of the inviting tenant.
type Order struct {
	Primary          []Stage
	Fallback         string
	PasscodesEnabled bool
}

// Provider is one way to show who one is. Implementations are values; what
// they need to work lives beside the machine, keyed by the same id.
type Provider interface {
	// ID is stored with the flow and posted by the choice page.
	ID() string
	// Stage is where the tenant's order places it.
	Stage() Stage
	// Waits is the state in which the flow waits for it: AwaitIdp, AwaitOtp or
	// AwaitAccountCreation.
	Waits() State
	// Serves reports whether it can know this invitee.
	Serves(Invitee) bool
}

// Registry holds the providers of a deployment.
type Registry []Provider

// Find is the provider with the id, nil when there is none.
func (r Registry) Find(id string) Provider {
	for _, p := range r {
		if p.ID() == id {
			return p
		}
	}
	return nil
}

// Discover lists the candidates for an invitee (INV-60): all of the first
// stage that has any, or those of the fallback.
func (r Registry) Discover(i Invitee, o Order) []string {
	for _, stage := range o.Primary {
		if ids := r.at(stage, i); len(ids) > 0 {
			return ids
		}
	}
	var fallbacks []Stage
	switch o.Fallback {
	case defaultFallback, "":
		fallbacks = []Stage{Personal, Passcodes}
	default:
		fallbacks = []Stage{Stage(o.Fallback)}
	}
	for _, stage := range fallbacks {
		if stage == Passcodes && !o.PasscodesEnabled {
			continue
		}
		if ids := r.at(stage, i); len(ids) > 0 {
			return ids
		}
	}
	return nil
}

func (r Registry) at(stage Stage, i Invitee) []string {
	var ids []string
	for _, p := range r {
		if p.Stage() == stage && p.Serves(i) {
			ids = append(ids, p.ID())
		}
	}
	return ids
}

// PasscodeID is the id of the passcode provider; it is also the method named
// in audit records.
const PasscodeID = "otp"

// Passcode proves an identity by a code mailed to the invited address.
type Passcode struct{}

// ID is PasscodeID.
func (Passcode) ID() string { return PasscodeID }

// Stage places it among the fallbacks.
func (Passcode) Stage() Stage { return Passcodes }

// Waits is AwaitOtp.
func (Passcode) Waits() State { return AwaitOtp }

// Serves everybody who has a mailbox.
func (Passcode) Serves(Invitee) bool { return true }

// PasscodeIdentity is who a right code shows: the holder of the invited
// address, bound under the issuer `mail` (INV-83).
func PasscodeIdentity(key string) Identity {
	return Identity{Provider: PasscodeID, Issuer: "mail", Subject: key, Address: key, Evidence: E3}
}
