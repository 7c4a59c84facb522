package fusionpbx

import (
	"context"
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"

	"trunkline/internal/cache"
	"trunkline/internal/keyed"
)

const (
	// bcryptBytes is how much of a password bcrypt, and PHP with it, looks at.
	bcryptBytes = 72
	// maxPasswords bounds what is remembered of passwords. There are few administrators.
	maxPasswords = 4096
)

// Passwords remembers which password went with which stored hash at a login that succeeded, since bcrypt
// takes some 50 ms. It knows nothing of users: one that is disabled, or has a new password or role, is seen
// at once. What it keeps is a hash under a key that lives in this process alone. A nil *Passwords
// remembers nothing.
type Passwords struct {
	lifetime time.Duration
	key      keyed.Key
	matched  *cache.Cache[bool] // whether a password went with a hash
}

// NewPasswords returns a cache that remembers for so long; with 0 it remembers nothing.
func NewPasswords(lifetime time.Duration) *Passwords {
	if lifetime <= 0 {
		return nil
	}
	return &Passwords{lifetime: lifetime, key: keyed.NewKey(), matched: cache.New[bool](cache.Options{Most: maxPasswords})}
}

// known reports whether the outcome for this candidate and password is remembered, and what it was.
func (p *Passwords) known(c candidate, password string) (matched, known bool) {
	if p == nil {
		return false, false
	}
	return p.matched.Get(p.keyOf(c, password))
}

// remember keeps the outcomes of a login that succeeded: for whom the password was right and, since
// several can have one name, for whom it was not. The time of what is known already is not extended, so
// that a hash is checked now and then. Nothing is kept of a password that was nobody's, so that a guess
// takes the same time whoever made it before.
func (p *Passwords) remember(found, matches []candidate, password string) {
	if p == nil {
		return
	}
	until := time.Now().Add(p.lifetime)
	for _, c := range found {
		matched := slices.ContainsFunc(matches, func(m candidate) bool { return m.UUID == c.UUID })
		p.matched.Add(p.keyOf(c, password), matched, until)
	}
}

func (p *Passwords) keyOf(c candidate, password string) string {
	return string(p.key.Hash(c.password, c.salt, password))
}

// passwordMatches checks a bcrypt hash, or the md5 of salt and password that old versions kept.
func passwordMatches(ctx context.Context, c candidate, password string) (bool, error) {
	if strings.HasPrefix(c.password, "$") {
		return matchesBcrypt(ctx, c.password, password)
	}
	sum := md5.Sum([]byte(c.salt + password))
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(strings.ToLower(c.password))) == 1, nil
}

// bcryptSlots bounds how many processors check passwords at once.
var bcryptSlots = make(chan struct{}, max(runtime.GOMAXPROCS(0), 1))

func matchesBcrypt(ctx context.Context, hash, password string) (bool, error) {
	select {
	case bcryptSlots <- struct{}{}:
		defer func() { <-bcryptSlots }()
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	given := []byte(password)
	return bcrypt.CompareHashAndPassword([]byte(hash), given[:min(len(given), bcryptBytes)]) == nil, nil
}

// anyHash is a hash of nothing that anybody knows, at the cost that FusionPBX uses.
var anyHash = sync.OnceValue(func() string {
	hash, err := bcrypt.GenerateFromPassword([]byte("nobody's password"), bcrypt.DefaultCost)
	if err != nil {
		panic(err) // the password above is short enough and the cost is valid
	}
	return string(hash)
})

// spendBcrypt takes the time of a check that cannot succeed.
func spendBcrypt(ctx context.Context, password string) error {
	_, err := matchesBcrypt(ctx, anyHash(), password)
	return err
}
