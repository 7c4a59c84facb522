package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"trunkline/internal/fusionpbx"
)

const (
	// maxRemembered bounds how many good checks are remembered. There are few administrators.
	maxRemembered = 4096
	// checkTimeout bounds one check, which does not end with the caller who began it.
	checkTimeout = 15 * time.Second
)

// credentials are a FusionPBX user's name, as user or user@domain, and password.
type credentials struct{ username, password string }

// credentialsOf takes the credentials from HTTP Basic or else from the form or JSON.
func credentialsOf(req *http.Request, p params) (credentials, error) {
	if header := req.Header.Get("Authorization"); header != "" {
		username, password, ok := req.BasicAuth()
		if !ok {
			return credentials{}, failf(codeAuthenticationFailed, "the Authorization header is not HTTP Basic, the only kind that serves here")
		}
		if !isText(username) {
			return credentials{}, failf(codeAuthenticationFailed, "the username in the Authorization header is not text in UTF-8")
		}
		return credentials{username, password}, nil
	}
	given := credentials{strings.TrimSpace(p.get("username")), p.raw("password")}
	if given.username == "" || given.password == "" {
		return credentials{}, failf(codeAuthenticationFailed, "username and password are required, by form, JSON or HTTP Basic")
	}
	return given, nil
}

// credentialCheck checks credentials against FusionPBX's users and remembers for a while which were
// right, since bcrypt takes some 50 ms. What it remembers is a keyed hash, and the key lives in this
// process alone.
type credentialCheck struct {
	remember     time.Duration
	authenticate func(ctx context.Context, username, password string) (fusionpbx.User, error)
	key          [sha256.Size]byte
	flights      singleflight.Group

	mu    sync.Mutex
	known map[string]knownUser
}

type knownUser struct {
	user  fusionpbx.User
	until time.Time
}

func newCredentialCheck(remember time.Duration, authenticate func(ctx context.Context, username, password string) (fusionpbx.User, error)) (*credentialCheck, error) {
	c := &credentialCheck{remember: remember, authenticate: authenticate, known: map[string]knownUser{}}
	if _, err := rand.Read(c.key[:]); err != nil {
		return nil, fmt.Errorf("making a key for remembered credentials: %w", err)
	}
	return c, nil
}

// check returns the user, who is a superadmin or an admin, or the failure to answer with.
func (c *credentialCheck) check(ctx context.Context, given credentials) (fusionpbx.User, error) {
	hash := c.hash(given)
	if user, ok := c.lookUp(hash); ok {
		return user, nil
	}
	// The same credentials are checked once for all who wait. The check goes on when the one who began
	// it hangs up.
	result := c.flights.DoChan(hash, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
		defer cancel()
		user, err := c.authenticate(ctx, given.username, given.password)
		if err == nil && user.Role != fusionpbx.RoleNone {
			c.store(hash, user)
		}
		return user, err
	})
	select {
	case <-ctx.Done():
		return fusionpbx.User{}, context.Cause(ctx)
	case r := <-result:
		if r.Err != nil {
			return fusionpbx.User{}, credentialFailure(r.Err)
		}
		user := r.Val.(fusionpbx.User)
		if user.Role == fusionpbx.RoleNone {
			return fusionpbx.User{}, failf(codeForbidden, "this user is neither a superadmin nor an admin in FusionPBX")
		}
		return user, nil
	}
}

// credentialFailure words why a check failed.
func credentialFailure(err error) error {
	switch {
	case errors.Is(err, fusionpbx.ErrBadCredentials), errors.Is(err, fusionpbx.ErrAmbiguous):
		return failf(codeAuthenticationFailed, "%v", err)
	case errors.Is(err, fusionpbx.ErrTOTP):
		return failf(codeTOTPRequired, "%v", err)
	}
	return err
}

// hash keeps the two apart by the first one's length.
func (c *credentialCheck) hash(given credentials) string {
	mac := hmac.New(sha256.New, c.key[:])
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(given.username)))
	mac.Write(size[:])
	mac.Write([]byte(given.username))
	mac.Write([]byte(given.password))
	return string(mac.Sum(nil))
}

func (c *credentialCheck) lookUp(hash string) (fusionpbx.User, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, ok := c.known[hash]
	if !ok || time.Now().After(known.until) {
		delete(c.known, hash)
		return fusionpbx.User{}, false
	}
	return known.user, true
}

func (c *credentialCheck) store(hash string, user fusionpbx.User) {
	if c.remember <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= maxRemembered {
		c.makeRoom()
	}
	c.known[hash] = knownUser{user: user, until: time.Now().Add(c.remember)}
}

// makeRoom forgets what is past its time, and where that is nothing, any one.
func (c *credentialCheck) makeRoom() {
	now := time.Now()
	for hash, known := range c.known {
		if now.After(known.until) {
			delete(c.known, hash)
		}
	}
	for hash := range c.known {
		if len(c.known) < maxRemembered {
			return
		}
		delete(c.known, hash)
	}
}
