package access

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/internal/fault"
	"trunkline/internal/fusionpbx"
)

const totpSecret = "JBSWY3DPEHPK3PXP"

// codeAt is the code that an app shows at that time.
func codeAt(t *testing.T, at time.Time) string {
	t.Helper()
	key, err := base32.StdEncoding.DecodeString(totpSecret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(at.Unix()/30)))
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1_000_000)
}

// withFactors is a check of one user who has these factors, and remembers which steps were spent.
func withFactors(limit int, secret string, mailed bool) (*Authenticator, func(context.Context, string, int64) (bool, error)) {
	a, _ := counted(time.Hour, time.Hour)
	a.gate = gateOf(limit, limit)
	find := a.find
	a.find = func(ctx context.Context, username string) (named, error) {
		users, err := find(ctx, username)
		check := users.check
		users.check = func(ctx context.Context, password string) (fusionpbx.Account, error) {
			account, err := check(ctx, password)
			account.TOTP = secret
			return account, err
		}
		return users, err
	}
	a.sendsCodes = func(context.Context, string) (bool, error) { return mailed, nil }
	spent := map[int64]bool{}
	return a, func(_ context.Context, _ string, step int64) (bool, error) {
		fresh := !spent[step]
		spent[step] = true
		return fresh, nil
	}
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		now := codeAt(t, time.Now())
		for name, c := range map[string]struct {
			secret, password, code string
			mailed                 bool
			want                   fault.Code // "": they are in
		}{
			"no second factor":           {"", "right", "", false, ""},
			"a wrong password":           {totpSecret, "wrong", now, false, fault.AuthenticationFailed},
			"no code yet":                {totpSecret, "right", "", false, fault.TOTPRequired},
			"the code":                   {totpSecret, "right", now, false, ""},
			"one step before":            {totpSecret, "right", codeAt(t, time.Now().Add(-30*time.Second)), false, ""},
			"one step after":             {totpSecret, "right", codeAt(t, time.Now().Add(30*time.Second)), false, ""},
			"two steps before":           {totpSecret, "right", codeAt(t, time.Now().Add(-time.Minute)), false, fault.AuthenticationFailed},
			"a wrong code":               {totpSecret, "right", "000000", false, fault.AuthenticationFailed},
			"a secret that is no secret": {"1", "right", now, false, fault.TOTPRequired},
			"codes by e-mail":            {"", "right", "", true, fault.TOTPRequired},
			"codes by e-mail and TOTP":   {totpSecret, "right", now, true, fault.TOTPRequired},
		} {
			a, spend := withFactors(100, c.secret, c.mailed)
			who, err := a.SignIn(t.Context(), t.Context(), someAddress, Credentials{Username: "admin", Password: c.password}, Code{c.code, spend})
			if c.want == "" && (err != nil || who.ID != "u") || c.want != "" && (!fault.Is(err, c.want) || who.SignedIn()) {
				t.Errorf("%s: got %+v, %v; want %s", name, who, err, c.want)
			}
		}
	})
}

// A code serves once, and wrong ones are counted as wrong passwords are; that none was typed yet is not.
func TestCodesAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 4
		a, spend := withFactors(limit, totpSecret, false)
		signIn := func(code string) error {
			_, err := a.SignIn(t.Context(), t.Context(), someAddress, Credentials{Username: "admin", Password: "right"}, Code{code, spend})
			return err
		}
		code := codeAt(t, time.Now())
		for range 2 * limit {
			if err := signIn(""); !fault.Is(err, fault.TOTPRequired) {
				t.Fatal(err)
			}
		}
		if err := signIn(code); err != nil {
			t.Fatal(err)
		}
		for i := range limit {
			if err := signIn([]string{code, "000000"}[i%2]); !fault.Is(err, fault.AuthenticationFailed) {
				t.Fatalf("attempt %d: %v", i, err)
			}
		}
		if err := signIn(codeAt(t, time.Now().Add(30*time.Second))); !fault.Is(err, fault.RateLimited) {
			t.Errorf("a right code after %d wrong ones: %v", limit, err)
		}
	})
}

// Where nobody can be asked for a code, a password alone does not serve.
func TestPasswordAloneAtTheAPI(t *testing.T) {
	t.Parallel()
	a, _ := withFactors(100, totpSecret, false)
	if who, err := a.Authenticate(t.Context(), t.Context(), someAddress, Credentials{Username: "admin", Password: "right"}); !fault.Is(err, fault.TOTPRequired) || who.SignedIn() {
		t.Errorf("got %+v, %v", who, err)
	}
}
