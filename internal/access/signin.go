package access

import (
	"context"
	"net/netip"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/totp"
)

// secondFactor is what is asked of an account besides its password. It returns the user, or why they are not let in.
type secondFactor func(ctx context.Context, account fusionpbx.Account) (fusionpbx.User, error)

// byPasswordAlone is for whoever cannot be asked for more.
func byPasswordAlone(_ context.Context, account fusionpbx.Account) (fusionpbx.User, error) {
	return account.ByPassword()
}

// Code is a code of a second factor as a person typed it, and Spend takes note that the user's code of that step was
// used: it reports false if it, or a later one, was before.
type Code struct {
	Text  string
	Spend func(ctx context.Context, userUUID string, step int64) (bool, error)
}

// What SignIn can answer besides what Authenticate does; each is a *fault.Error.
var (
	errMailed error = fault.Errorf(fault.TOTPRequired, "FusionPBX sends this account a code by e-mail when it signs in, which is not done here; sign in with an API token, which trunkline token create makes")
	// errNoCode is for whoever has the right password, and counts neither as a failure nor as a login.
	errNoCode  error = fault.Errorf(fault.TOTPRequired, "this account has a second factor; type the code that its app shows too")
	errBadCode error = fault.Errorf(fault.AuthenticationFailed, "the code of the second factor is wrong; type the one that its app shows now, and check the clock of the device")
	errUsed    error = fault.Errorf(fault.AuthenticationFailed, "this code of the second factor was used already; wait for the next one")
)

// SignIn is Authenticate for a person who signs in to stay: the account's second factor is asked for, and nothing is
// remembered, since a code serves once and what was replaced a moment ago must not make a session. A wrong code is a
// failed login.
func (a *Authenticator) SignIn(ctx, stopping context.Context, addr netip.Addr, given Credentials, code Code) (Caller, error) {
	if given.Key != "" {
		found, _, err := a.byKey(ctx, addr, given.Key)
		a.gate.hold(ctx, stopping, found.due)
		return found.who, err
	}
	if err := a.gate.open(ctx, addr); err != nil {
		return Caller{}, err
	}
	found, err := a.guarded(ctx, addr, given, func(ctx context.Context, account fusionpbx.Account) (fusionpbx.User, error) {
		return account.User, a.checkCode(ctx, account, code)
	})
	a.gate.hold(ctx, stopping, found.due)
	return found.who, err
}

func (a *Authenticator) checkCode(ctx context.Context, account fusionpbx.Account, code Code) error {
	mailed, err := a.sendsCodes(ctx, account.DomainUUID)
	switch {
	case err != nil:
		return err
	case mailed:
		return errMailed
	case account.TOTP == "":
		return nil
	case code.Text == "":
		return errNoCode
	}
	step, right, err := totp.Step(account.TOTP, code.Text, time.Now())
	switch {
	case err != nil:
		return fault.Errorf(fault.TOTPRequired, "%w; set it up anew in FusionPBX, or sign in with an API token", err)
	case !right:
		return errBadCode
	}
	fresh, err := code.Spend(ctx, account.UUID, step)
	if err == nil && !fresh {
		err = errUsed
	}
	return err
}
