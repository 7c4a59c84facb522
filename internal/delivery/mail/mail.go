// Package mail tells people by mail that a file is there, its figures and a link to it and none of its rows, or that one could not
// be made. Nothing is sent without TLS.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	"trunkline/internal/fault"
)

const (
	// patience bounds one mail, from the connection to the server's last word.
	patience = time.Minute
	// maxSaid is how much a server may say meanwhile, in bytes, TLS and all: a line of it is kept until it ends.
	maxSaid = 1 << 20
)

// Sender is an SMTP server with those that it is told to bring mail to. It implements delivery.Teller.
type Sender struct {
	guard       dial.Guard
	authorities string // a file of those whose signature on the server's certificate counts besides the system's
	settings    Settings
	credentials Credentials
}

// New returns a sender, which connects when it is used.
func New(guard dial.Guard, authorities string, s Settings, c Credentials) *Sender {
	return &Sender{guard, authorities, s, c}
}

// Close implements delivery.Sender.
func (*Sender) Close() error { return nil }

// Deliver implements delivery.Sender. A mail that was sent cannot be looked for: if a try ends before it is known that the server
// has taken the mail, the next one sends it once more, under the same Message-ID.
func (s *Sender) Deliver(ctx context.Context, content delivery.Content) (delivery.Receipt, error) {
	return s.send(ctx, aboutFile(content))
}

// Tell implements delivery.Teller. Of a mail that arrives twice it says what Deliver does.
func (s *Sender) Tell(ctx context.Context, m delivery.Message) (delivery.Receipt, error) {
	n, err := aboutEvent(m)
	if err != nil {
		return delivery.Receipt{}, err
	}
	return s.send(ctx, n)
}

// send brings a note to the server.
func (s *Sender) send(ctx context.Context, n note) (delivery.Receipt, error) {
	message, err := s.message(n)
	if err != nil {
		return delivery.Receipt{}, err
	}
	err = s.connected(ctx, func(client *mail.Client, server *smtp.Client) error {
		return client.SendWithSMTPClient(server, message)
	})
	if err != nil {
		return delivery.Receipt{}, err
	}
	return delivery.Receipt{Where: "mailto:" + strings.Join(recipients(message), ",")}, nil
}

// Test implements delivery.Sender: the server is asked whether it would take mail for these people, and gets none.
func (s *Sender) Test(ctx context.Context) (delivery.Report, error) {
	message, err := s.message(note{})
	if err != nil {
		return delivery.Report{}, err
	}
	err = s.connected(ctx, func(_ *mail.Client, server *smtp.Client) error {
		sender, err := message.GetSender(false)
		if err == nil {
			err = server.Mail(sender)
		}
		for _, to := range recipients(message) {
			if err == nil {
				err = server.Rcpt(to)
			}
		}
		return errors.Join(err, server.Reset())
	})
	if err != nil {
		return delivery.Report{}, err
	}
	return delivery.Report{At: time.Now().UTC(), Message: "the server was reached by TLS and would take mail for " + strings.Join(recipients(message), ", ") + "; none was sent"}, nil
}

// message is the mail with a note.
func (s *Sender) message(n note) (*mail.Msg, error) {
	message := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(message.From(s.settings.From), message.ToFromString(s.settings.To)); err != nil {
		return nil, fault.Errorf(fault.InvalidRequest, "mail_from or mail_to is not an address; change the destination")
	}
	sender, err := message.GetSender(false)
	if err != nil {
		return nil, fault.Errorf(fault.InvalidRequest, "mail_from is not an address; change the destination")
	}
	message.Subject(n.subject)
	message.SetMessageIDWithValue(n.id + strings.TrimSuffix(sender[strings.LastIndex(sender, "@"):], ">"))
	message.SetDate()
	message.SetGenHeader(mail.Header("Auto-Submitted"), "auto-generated")
	message.SetBodyString(mail.TypeTextPlain, n.body)
	return message, nil
}

// recipients are the addresses alone.
func recipients(message *mail.Msg) []string {
	all, _ := message.GetRecipients() // there are some, else there would be no message
	for i, address := range all {
		all[i] = strings.Trim(address, "<>")
	}
	return all
}

// connected does something with a server that we have logged in to.
func (s *Sender) connected(ctx context.Context, do func(*mail.Client, *smtp.Client) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errSlow)
	defer cancel()
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	server, err := client.DialToSMTPClientWithContext(ctx)
	if err == nil {
		err = do(client, server)
		_ = client.CloseWithSMTPClient(server) // what it says to our good-bye changes nothing
	}
	return s.failed(ctx, err)
}

var errSlow error = &fault.Error{Code: fault.Timeout, Passes: true, Message: fmt.Sprintf("the mail server did not take the mail within %s", patience)}

// client is one that speaks to nobody without TLS. If ctx ends, so does its connection.
func (s *Sender) client(ctx context.Context) (*mail.Client, error) {
	authorities, err := dial.Authorities(s.authorities)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: s.settings.Host, RootCAs: authorities, MinVersion: tls.VersionTLS12}
	options := []mail.Option{
		mail.WithPort(s.settings.port()), mail.WithTimeout(patience), mail.WithTLSConfig(config), mail.WithTLSPolicy(mail.TLSMandatory), mail.WithoutNoop(),
		mail.WithDialContextFunc(func(dialling context.Context, network, address string) (net.Conn, error) {
			conn, err := s.guard.Dialer().DialContext(dialling, network, address)
			if err != nil {
				return nil, err
			}
			conn = &bounded{Conn: conn, left: maxSaid}
			context.AfterFunc(ctx, func() { _ = conn.Close() })
			if s.settings.TLS != implicitTLS {
				return conn, nil
			}
			secure := tls.Client(conn, config)
			if err := secure.HandshakeContext(dialling); err != nil {
				return nil, errors.Join(err, conn.Close())
			}
			return secure, nil
		}),
	}
	if s.settings.TLS == implicitTLS {
		options = append(options, mail.WithSSL())
	}
	if s.settings.Login != "" {
		options = append(options, mail.WithUsername(s.settings.Login), mail.WithPassword(s.credentials.LoginPassword),
			mail.WithOpportunisticSMTPAuth(mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthCramMD5, mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	client, err := mail.NewClient(s.settings.Host, options...)
	if err != nil {
		return nil, fault.Errorf(fault.ServerError, "the mail client cannot be made, and the log has the reason: %w", err)
	}
	return client, nil
}

// bounded is a connection that fails once the other side has said too much.
type bounded struct {
	net.Conn
	left int
}

// Read implements net.Conn.
func (b *bounded) Read(into []byte) (int, error) {
	if b.left <= 0 {
		return 0, fmt.Errorf("the server said more than %d bytes", maxSaid)
	}
	n, err := b.Conn.Read(into[:min(len(into), b.left)])
	b.left -= n
	return n, err
}

// failed words why a mail was not taken; nil stays nil. The server's words are for the log.
func (s *Sender) failed(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	code, what := 0, "the mail"
	if sending, is := errors.AsType[*mail.SendError](err); is {
		code = sending.ErrorCode()
		switch sending.Reason {
		case mail.ErrSMTPMailFrom:
			what = "the sender (mail_from)"
		case mail.ErrSMTPRcptTo:
			what = "a recipient (mail_to)"
		}
	} else if said, is := errors.AsType[*textproto.Error](err); is {
		code = said.Code
	}
	const permanent, temporary = 5, 4
	f := &fault.Error{Code: fault.DeliveryRefused, Cause: err}
	text := err.Error()
	switch {
	case strings.Contains(text, "SMTP AUTH failed") && code/100 == permanent:
		f.Message = s.settings.Host + ": the server does not let us log in; look at login and login_password"
	case strings.Contains(text, "STARTTLS"):
		f.Message = s.settings.Host + ": the server does not offer STARTTLS at this port, and nothing is sent without TLS; look at port and tls"
	case strings.Contains(text, "AUTH"):
		f.Message = s.settings.Host + ": the server takes no login that we could send; leave login out, or look at the port"
	case code/100 == permanent:
		f.Message = fmt.Sprintf("%s: the server refuses %s (code %d), and the log has its words", s.settings.Host, what, code)
	case code/100 == temporary:
		f.Code, f.Passes = fault.Unavailable, true
		f.Message = fmt.Sprintf("%s: the server does not take %s now (code %d), and the log has its words", s.settings.Host, what, code)
	default:
		if network := dial.Fault(s.settings.Host, err); network != nil {
			return network
		}
		f.Code, f.Passes, f.Message = fault.Unavailable, true, s.settings.Host+": the server does not speak SMTP as it should, or closed the connection, and the log has the reason"
	}
	return f
}
