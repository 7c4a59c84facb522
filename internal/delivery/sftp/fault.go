package sftp

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/pkg/sftp"

	"trunkline/internal/delivery/dial"
	"trunkline/internal/fault"
)

// failed words why a server was not logged in to, or did not do what it was asked; nil stays nil, and an error of ctx or of our
// own file what it is. What is wrong is said in our words alone: the server's are for the log.
func failed(ctx context.Context, s Settings, doing string, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	if own, worded := errors.AsType[*fault.Error](err); worded {
		return own
	}
	refused := func(message string) error {
		return &fault.Error{Code: fault.DeliveryRefused, Cause: err, Message: s.Host + ": " + message}
	}
	status, said := errors.AsType[*sftp.StatusError](err)
	text := err.Error()
	switch {
	case errors.Is(err, os.ErrPermission):
		return refused("the server does not allow this login " + doing + "; have its owner allow it, or choose another folder")
	case errors.Is(err, os.ErrNotExist):
		return refused("the server knows no such folder, when we want " + doing + "; make it there, or set make_folders=true")
	case said && status.FxCode() == sftp.ErrSSHFxOpUnsupported:
		return refused("the server does not know how " + doing + "; it cannot be delivered to")
	case said: // mostly "Failure", whatever it was
		return &fault.Error{Code: fault.Unavailable, Cause: err, Passes: true, Message: s.Host + ": the server did not manage " + doing + "; its disk may be full, or there is a quota: look into its log"}
	case strings.Contains(text, "unable to authenticate"):
		return refused("the server does not let us log in with this login and credentials; look at login, login_password and private_key")
	case strings.Contains(text, "no common algorithm for host key"):
		return refused("the server has no key of the type of the pinned one, so that it may be another server: nothing was sent to it. If its owner says that the key was changed, put the new one into host_key")
	case strings.Contains(text, "no common algorithm"):
		return refused("the server and we have no cipher, key exchange or MAC in common that is safe; have its owner bring it up to date")
	}
	if network := dial.Fault(s.Host, err); network != nil {
		return network
	}
	if errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed) {
		return &fault.Error{Code: fault.Unavailable, Cause: err, Passes: true, Message: s.Host + ": the connection broke off in the middle"}
	}
	return &fault.Error{Code: fault.Unavailable, Cause: err, Passes: true, Message: s.Host + ": the server does not speak SSH or SFTP as it should, and the log has the reason"}
}
