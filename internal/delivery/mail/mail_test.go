package mail_test

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/internal/delivery"
	"trunkline/internal/delivery/dial"
	ours "trunkline/internal/delivery/mail"
	"trunkline/internal/fault"
	"trunkline/internal/pbxtest"
	"trunkline/internal/pbxtest/servers"
)

// loopback lets the tests' own servers be reached.
var loopback = dial.Guard{Allowed: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

func content() delivery.Content {
	return delivery.Content{
		Name: "2026/größe.csv", Bytes: 1234, SHA256: strings.Repeat("a", 64),
		Open: func(context.Context) (io.ReadSeekCloser, error) { return nil, errors.New("no mail holds the rows") },
		Of: delivery.Export{
			DeliveryID: "0190b5a0-0000-7000-8000-000000000001", Domain: "büro.example", Format: "CSV", DateRange: "2026-11-27 to 2026-11-27", TimeZone: "Asia/Kathmandu",
			Rows: 17, Link: "https://pbx.example/v1/exports/x/file?by=y&expires=1&signature=abc", LinkUntil: time.Date(2026, 11, 29, 0, 15, 0, 0, time.UTC),
		},
	}
}

func to(s *servers.SMTPD, recipients string) (ours.Settings, ours.Credentials) {
	return ours.Settings{Host: "127.0.0.1", Port: s.StartTLS, Login: s.Login, From: "Trunkline <cdr@pbx.example>", To: recipients}, ours.Credentials{LoginPassword: s.Password}
}

func TestDeliver(t *testing.T) {
	t.Parallel()
	server := pbxtest.StartSMTPD(t)
	for _, implicit := range []bool{false, true} {
		settings, credentials := to(server, "billing@customer.example, Büro <buero@customer.example>")
		if implicit {
			settings.Port, settings.TLS = server.Implicit, "implicit"
		}
		sender := ours.New(loopback, server.CAFile, settings, credentials)
		if report, err := sender.Test(t.Context()); err != nil || !strings.Contains(report.Message, "billing@customer.example") {
			t.Fatalf("implicit %t: the test says %+v, %v\n%s", implicit, report, err, server.Log())
		}
		receipt, err := sender.Deliver(t.Context(), content())
		if err != nil || !strings.Contains(receipt.Where, "buero@customer.example") {
			t.Fatalf("implicit %t: got %+v, %v\n%s", implicit, receipt, err, server.Log())
		}
	}
	mails, err := server.Mails()
	must(t, err)
	if len(mails) != 2 {
		t.Fatalf("%d mails", len(mails))
	}
	for _, text := range mails {
		read, err := mail.ReadMessage(strings.NewReader(text))
		must(t, err)
		body, err := io.ReadAll(quotedprintable.NewReader(read.Body))
		must(t, err)
		said := strings.ReplaceAll(string(body), "\r\n", "\n")
		for _, want := range []string{"Rows:    17\n", "Bytes:   1234\n", "größe.csv", "büro.example", "2026-11-27", "Asia/Kathmandu", content().Of.Link, "2026-11-29 00:15 UTC"} {
			if !strings.Contains(said, want) {
				t.Errorf("%q is not in\n%s", want, said)
			}
		}
		if id := read.Header.Get("Message-Id"); id != "<0190b5a0-0000-7000-8000-000000000001@pbx.example>" || strings.Contains(text, server.Password) {
			t.Errorf("got %s", text)
		}
	}
}

// People are told of a window that has failed, in words, if that is what they want to be told of.
func TestTell(t *testing.T) {
	t.Parallel()
	server := pbxtest.StartSMTPD(t)
	settings, credentials := to(server, "billing@customer.example")
	settings.Events = delivery.EventWindowFailed + " ,"
	must(t, settings.Check())
	if got := settings.Normalised().Events; got != delivery.EventWindowFailed {
		t.Errorf("it is kept as %q", got)
	}
	sender := ours.New(loopback, server.CAFile, settings, credentials)
	type data map[string]any
	message := func(event string, d data) delivery.Message {
		body, err := delivery.Envelope{Type: event, Timestamp: time.Now(), Data: d}.Encode()
		must(t, err)
		return delivery.Message{ID: "0190b5a0-0000-7000-8000-000000000002", Body: body}
	}
	const run = "POST /v1/schedules/0190b5a0-0000-7000-8000-000000000003/run"
	failed := message(delivery.EventWindowFailed, data{
		"schedule": "0190b5a0-0000-7000-8000-000000000003", "schedule_name": "nightly", "tenant_domain": "büro.example", "label": "000042-r1",
		"window": data{"series": "backfill", "number": 42, "start": "2026-11-26T23:00:00Z", "end": "2026-11-27T23:00:00Z", "time_zone": "Europe/Berlin", "reason": "the disk\nSchedule: another"},
	})
	receipt, err := sender.Tell(t.Context(), failed)
	if err != nil || !strings.Contains(receipt.Where, "billing@customer.example") {
		t.Fatalf("got %+v, %v\n%s", receipt, err, server.Log())
	}
	mails, err := server.Mails()
	must(t, err)
	if len(mails) != 1 {
		t.Fatalf("%d mails", len(mails))
	}
	read, err := mail.ReadMessage(strings.NewReader(mails[0]))
	must(t, err)
	body, err := io.ReadAll(quotedprintable.NewReader(read.Body))
	must(t, err)
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	must(t, err)
	for _, want := range []string{"nightly (0190b5a0-0000-7000-8000-000000000003)", "büro.example", "000042-r1, from 2026-11-26 23:00 UTC to 2026-11-27 23:00 UTC (Europe/Berlin)", "the disk Schedule: another", run + " with number=42 and series=backfill"} {
		if !strings.Contains(string(body), want) {
			t.Errorf("%q is not in\n%s", want, body)
		}
	}
	if id := read.Header.Get("Message-Id"); id != "<0190b5a0-0000-7000-8000-000000000002@pbx.example>" || !strings.Contains(subject, "window 000042-r1 of schedule nightly") {
		t.Errorf("got %s: %s", id, subject)
	}
	extra := message(delivery.EventWindowFailed, data{"schedule": "0190b5a0-0000-7000-8000-000000000003", "window": data{"series": "extra"}})
	if _, err := sender.Tell(t.Context(), extra); err != nil {
		t.Fatal(err)
	}
	mails, err = server.Mails()
	must(t, err)
	if len(mails) != 2 || !slices.ContainsFunc(mails, func(m string) bool {
		return strings.Contains(m, "another one is made") && !strings.Contains(m, "number")
	}) {
		t.Errorf("of an extra export, which has no number: %q", mails)
	}
	if _, err := sender.Tell(t.Context(), message(delivery.EventGatewayState, nil)); !fault.Is(err, fault.DeliveryRefused) || fault.Passes(err) {
		t.Errorf("of a gateway: got %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	server, other := pbxtest.StartSMTPD(t), pbxtest.StartSMTPD(t)
	deliver := func(change func(*ours.Settings, *ours.Credentials), ca string, g dial.Guard) error {
		settings, credentials := to(server, "billing@customer.example")
		change(&settings, &credentials)
		_, err := ours.New(g, ca, settings, credentials).Deliver(t.Context(), content())
		if tested, test := ours.New(g, ca, settings, credentials).Test(t.Context()); test == nil || err == nil || test.Error() != err.Error() && !fault.Is(test, fault.DeliveryRefused) && !fault.Passes(test) {
			t.Errorf("the test says %+v, %v, and the delivery %v", tested, test, err)
		}
		return err
	}
	for what, tc := range map[string]struct {
		err    error
		code   fault.Code
		passes bool
	}{
		"a wrong password": {deliver(func(_ *ours.Settings, c *ours.Credentials) { c.LoginPassword = "hunter2" }, server.CAFile, loopback), fault.DeliveryRefused, false},
		"no login":         {deliver(func(s *ours.Settings, _ *ours.Credentials) { s.Login = "" }, server.CAFile, loopback), fault.DeliveryRefused, false},
		"nobody of that name": {deliver(func(s *ours.Settings, _ *ours.Credentials) {
			s.To = "billing@customer.example,refused@customer.example"
		}, server.CAFile, loopback),
			fault.DeliveryRefused, false},
		"somebody later":              {deliver(func(s *ours.Settings, _ *ours.Credentials) { s.To = "later@customer.example" }, server.CAFile, loopback), fault.Unavailable, true},
		"another authority":           {deliver(func(*ours.Settings, *ours.Credentials) {}, other.CAFile, loopback), fault.Unavailable, true},
		"an address of ours":          {deliver(func(*ours.Settings, *ours.Credentials) {}, server.CAFile, dial.Guard{}), fault.Forbidden, false},
		"TLS at the port of STARTTLS": {deliver(func(s *ours.Settings, _ *ours.Credentials) { s.TLS = "implicit" }, server.CAFile, loopback), fault.Unavailable, true},
	} {
		if !fault.Is(tc.err, tc.code) || fault.Passes(tc.err) != tc.passes {
			t.Errorf("%s: got %v, passes %t", what, tc.err, fault.Passes(tc.err))
		} else if strings.Contains(tc.err.Error(), "hunter2") || strings.Contains(tc.err.Error(), "nobody of that name") {
			t.Errorf("%s: what was sent or said is in %v", what, tc.err)
		}
	}
	if mails, err := server.Mails(); err != nil || len(mails) != 0 {
		t.Errorf("%d mails were taken, %v", len(mails), err)
	}
}

// Nothing is sent to a server that has no TLS, the password least of all.
func TestNothingWithoutTLS(t *testing.T) {
	t.Parallel()
	addr, heard := plainServer(t)
	host, port, err := net.SplitHostPort(addr)
	must(t, err)
	number, err := net.LookupPort("tcp", port)
	must(t, err)
	settings := ours.Settings{Host: host, Port: number, Login: "billing", From: "a@pbx.example", To: "b@customer.example"}
	_, err = ours.New(loopback, "", settings, ours.Credentials{LoginPassword: "hunter2"}).Deliver(t.Context(), content())
	if !fault.Is(err, fault.DeliveryRefused) || !strings.Contains(err.Error(), "STARTTLS") {
		t.Errorf("got %v", err)
	}
	if said := heard(); strings.Contains(said, "AUTH") || strings.Contains(said, "MAIL") {
		t.Errorf("it heard %q", said)
	}
}

// plainServer is one that offers a login and no TLS. heard is what was said to it, once the connection has ended.
func plainServer(t *testing.T) (addr string, heard func() string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	said := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			said <- err.Error()
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "220 mail.example ESMTP\r\n")
		var all strings.Builder
		buffer := make([]byte, 1<<10)
		for {
			n, err := conn.Read(buffer)
			all.Write(buffer[:n])
			if err != nil {
				said <- all.String()
				return
			}
			_, _ = io.WriteString(conn, "250-mail.example\r\n250 AUTH PLAIN LOGIN\r\n")
		}
	}()
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String(), func() string { return <-said }
}

// A server that never answers holds nobody for longer than ctx allows.
func TestSilentServer(t *testing.T) {
	t.Parallel()
	server := pbxtest.StartSMTPD(t)
	settings, credentials := to(server, "silent@customer.example")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := ours.New(loopback, server.CAFile, settings, credentials).Deliver(ctx, content()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// A server that says a line without end is not listened to until memory is full of it.
func TestServerThatSaysTooMuch(t *testing.T) {
	t.Parallel()
	const endless = 64 << 20
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	heard := make(chan int, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			heard <- 0
			return
		}
		defer conn.Close()
		said, piece := 0, []byte("220-"+strings.Repeat("a", 64<<10))
		for said < endless && err == nil {
			var n int
			n, err = conn.Write(piece)
			said += n
		}
		heard <- said
	}()
	settings := ours.Settings{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, From: "a@pbx.example", To: "b@customer.example"}
	if _, err := ours.New(loopback, "", settings, ours.Credentials{}).Test(t.Context()); !fault.Is(err, fault.Unavailable) || !fault.Passes(err) {
		t.Errorf("got %v", err)
	}
	// What the systems on the way hold for either side was said too.
	if said := <-heard; said == 0 || said > endless/2 {
		t.Errorf("it was listened to for %d bytes", said)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	good := ours.Settings{Host: "smtp.example", From: "Trunkline <cdr@pbx.example>", To: "billing@customer.example, other@customer.example"}
	for wrong, change := range map[string]func(*ours.Settings){
		"":            func(*ours.Settings) {},
		"host":        func(s *ours.Settings) { s.Host = "smtp.example:25" },
		"port":        func(s *ours.Settings) { s.Port = -1 },
		"tls":         func(s *ours.Settings) { s.TLS = "none" },
		"login":       func(s *ours.Settings) { s.Login = "a\r\nb" },
		"events":      func(s *ours.Settings) { s.Events = delivery.EventWindowFailed + "," + delivery.EventGatewayState },
		"mail_from":   func(s *ours.Settings) { s.From = "a@b.example\r\nBcc: c@d.example" },
		"mail_from ":  func(s *ours.Settings) { s.From = "a@b.example, c@d.example" },
		"mail_from  ": func(s *ours.Settings) { s.From = "" },
		"mail_to":     func(s *ours.Settings) { s.To = "a@b.example\nc@d.example" },
		"mail_to ":    func(s *ours.Settings) { s.To = "\"a\r\nRCPT TO:<x@y.example>\"@b.example" },
		"mail_to  ":   func(s *ours.Settings) { s.To = "nobody" },
		"mail_to   ":  func(s *ours.Settings) { s.To = strings.Repeat("a@b.example,", 20) + "a@b.example" },
		"mail_to    ": func(s *ours.Settings) { s.To = "a@[127.0.0.1]" },
	} {
		s := good
		change(&s)
		if err := s.Check(); wrong == "" && err != nil || wrong != "" && (err == nil || !strings.Contains(err.Error(), strings.TrimSpace(wrong))) {
			t.Errorf("%q: got %v", wrong, err)
		}
	}
}

// Whatever the addresses: those that are taken break no line.
func FuzzAddresses(f *testing.F) {
	f.Add("a@b.example", "Büro <c@d.example>, e@f.example")
	f.Add("\"a\r\nb\"@c.example", "=?utf-8?q?a=0D=0Ab?= <c@d.example>")
	f.Fuzz(func(t *testing.T, from, to string) {
		s := ours.Settings{Host: "smtp.example", From: from, To: to}
		if s.Check() != nil {
			return
		}
		for _, list := range []string{from, to} {
			parsed, err := mail.ParseAddressList(list)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range parsed {
				if strings.ContainsAny(a.Address+a.Name, "\r\n\x00<>") && strings.ContainsAny(a.Address, "\r\n\x00<> ") || strings.ContainsAny(a.Name, "\r\n\x00") {
					t.Errorf("%q was taken", list)
				}
			}
		}
	})
}

var must = pbxtest.Must
