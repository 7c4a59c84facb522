package fusionpbx

import (
	"context"
	"crypto/hmac"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	// bcryptBytes is how much of a password bcrypt, and PHP with it, looks at.
	bcryptBytes = 72
	// maxPasswords bounds what is remembered of passwords. There are few administrators.
	maxPasswords = 4096
)

// Passwords remembers which password went with which stored hash where a sign-in was right, since
// bcrypt takes some 50 ms. It knows nothing of users: who is disabled, or has a new password or role, is
// seen at once. What it keeps is a hash under a key that lives in this process alone. A nil *Passwords
// remembers nothing.
type Passwords struct {
	lifetime time.Duration
	key      [sha256.Size]byte

	mu       sync.Mutex
	outcomes map[[sha256.Size]byte]outcome
}

// outcome is whether a password went with a hash, and until when that is remembered.
type outcome struct {
	matched bool
	until   time.Time
}

// NewPasswords returns a memory that lasts for so long; 0 remembers nothing.
func NewPasswords(lifetime time.Duration) (*Passwords, error) {
	if lifetime <= 0 {
		return nil, nil
	}
	p := &Passwords{lifetime: lifetime, outcomes: map[[sha256.Size]byte]outcome{}}
	if _, err := rand.Read(p.key[:]); err != nil {
		return nil, fmt.Errorf("making a key for remembered passwords: %w", err)
	}
	return p, nil
}

// known reports whether the outcome for this candidate and password is remembered, and what it was.
func (p *Passwords) known(c candidate, password string) (matched, known bool) {
	if p == nil {
		return false, false
	}
	key := p.keyOf(c, password)
	p.mu.Lock()
	defer p.mu.Unlock()
	o, ok := p.outcomes[key]
	if !ok || time.Now().After(o.until) {
		delete(p.outcomes, key)
		return false, false
	}
	return o.matched, true
}

// remember keeps the outcomes of a sign-in that was right: for whom the password was right and, since
// several can have one name, for whom it was not. What is not known yet lasts from now on. Nothing is
// kept of a password that was nobody's, so a guess takes the same time whoever made it before.
func (p *Passwords) remember(found, matches []candidate, password string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	for _, c := range found {
		key := p.keyOf(c, password)
		if o, ok := p.outcomes[key]; ok && now.Before(o.until) {
			continue // its time is not made longer: a hash is worth checking now and then
		}
		if len(p.outcomes) >= maxPasswords {
			p.makeRoom(now)
		}
		p.outcomes[key] = outcome{slices.ContainsFunc(matches, func(m candidate) bool { return m.UUID == c.UUID }), now.Add(p.lifetime)}
	}
}

// makeRoom forgets what is past its time, and where that is nothing, any one.
func (p *Passwords) makeRoom(now time.Time) {
	for key, o := range p.outcomes {
		if now.After(o.until) {
			delete(p.outcomes, key)
		}
	}
	for key := range p.outcomes {
		if len(p.outcomes) < maxPasswords {
			return
		}
		delete(p.outcomes, key)
	}
}

// keyOf keeps hash, salt and password apart by their lengths.
func (p *Passwords) keyOf(c candidate, password string) (key [sha256.Size]byte) {
	mac := hmac.New(sha256.New, p.key[:])
	for _, part := range []string{c.password, c.salt, password} {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		mac.Write(size[:])
		mac.Write([]byte(part))
	}
	mac.Sum(key[:0])
	return key
}

// passwordMatches checks a bcrypt hash, or the md5 of salt and password that old versions kept.
func passwordMatches(ctx context.Context, c candidate, password string) (bool, error) {
	if strings.HasPrefix(c.password, "$") {
		return matchesBcrypt(ctx, c.password, password)
	}
	sum := md5.Sum([]byte(c.salt + password))
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(strings.ToLower(c.password))) == 1, nil
}

// bcryptSlots bounds the processors that checks of passwords may have at once.
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
