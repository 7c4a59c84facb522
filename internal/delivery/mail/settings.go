package mail

import (
	"cmp"
	"net"
	"net/mail"
	"strconv"
	"strings"

	"trunkline/internal/delivery"
	"trunkline/internal/fault"
)

// Settings are how mail is sent, and to whom.
type Settings struct {
	Host  string `json:"host" about:"The name or address of the SMTP server."`
	Port  int    `json:"port,omitempty" about:"Left out: 587, or 465 with tls=implicit."`
	TLS   string `json:"tls,omitempty" about:"starttls, or implicit; left out: starttls. Nothing is sent without TLS."`
	Login string `json:"login,omitempty" about:"As whom; left out: the server takes mail without a login."`
	From  string `json:"mail_from" about:"From whom: an address, or a name and an address in <>."`
	To    string `json:"mail_to" about:"To whom: addresses, with commas between."`

	Events string `json:"events,omitempty" about:"What people are told besides the files that are delivered: schedule.window.failed."`
}

// told are the events that there is a mail about. A gateway goes up and down too often for people to be told of it by mail.
var told = []string{delivery.EventWindowFailed}

// How TLS comes about.
const (
	startTLS    = "starttls"
	implicitTLS = "implicit"
)

const (
	startTLSPort    = 587
	implicitTLSPort = 465
	maxAddresses    = 20
	maxAddressBytes = 320
	maxText         = 255 // of a login, in bytes
)

// Check refuses settings that cannot be. The error names the parameter.
func (s Settings) Check() error {
	if s.TLS != "" && s.TLS != startTLS && s.TLS != implicitTLS {
		return fault.Invalid("tls", "write %s or %s", startTLS, implicitTLS)
	}
	if err := cmp.Or(delivery.CheckHost("host", s.Host), delivery.CheckPort("port", s.Port), delivery.CheckLine("login", s.Login, maxText)); err != nil {
		return err
	}
	from, err := addresses("mail_from", s.From)
	if err != nil {
		return err
	}
	if len(from) != 1 {
		return fault.Invalid("mail_from", "has %d addresses; write one", len(from))
	}
	to, err := addresses("mail_to", s.To)
	if err == nil && len(to) > maxAddresses {
		err = fault.Invalid("mail_to", "has %d addresses; %d are allowed", len(to), maxAddresses)
	}
	if err != nil {
		return err
	}
	_, err = delivery.Events("events", s.Events, told)
	return err
}

// Normalised are the same settings with the events as they are looked for.
func (s Settings) Normalised() Settings {
	events, err := delivery.Events("events", s.Events, told)
	if err == nil { // else Check refuses it
		s.Events = strings.Join(events, ",")
	}
	return s
}

// addresses reads a list of them, of which there has to be one.
func addresses(parameter, list string) ([]*mail.Address, error) {
	if strings.TrimSpace(list) == "" {
		return nil, fault.Missing(parameter)
	}
	if err := delivery.CheckLine(parameter, list, maxAddresses*maxAddressBytes); err != nil {
		return nil, err
	}
	parsed, err := mail.ParseAddressList(list)
	if err != nil {
		return nil, fault.Invalid(parameter, "is not an address of mail, or some with commas between; write such as billing@customer.example")
	}
	for _, a := range parsed {
		// What the library passes on as it is may have been quoted before.
		_, domain, _ := strings.Cut(a.Address[strings.LastIndex(a.Address, "@"):], "@")
		if err := cmp.Or(delivery.CheckLine(parameter, a.Address, maxAddressBytes), delivery.CheckLine(parameter, a.Name, maxAddressBytes)); err != nil {
			return nil, err
		}
		if delivery.CheckHost(parameter, domain) != nil || strings.ContainsAny(a.Address, " <>\"\\") {
			return nil, fault.Invalid(parameter, "%q is not an address that mail can be sent to; write one such as billing@customer.example", fault.Clip(a.Address))
		}
	}
	return parsed, nil
}

// Reached says where the credentials are sent.
func (s Settings) Reached() string {
	return s.Login + "@" + s.address() + " by " + cmp.Or(s.TLS, startTLS)
}

func (s Settings) port() int {
	if s.TLS == implicitTLS {
		return cmp.Or(s.Port, implicitTLSPort)
	}
	return cmp.Or(s.Port, startTLSPort)
}

func (s Settings) address() string { return net.JoinHostPort(s.Host, strconv.Itoa(s.port())) }

// Credentials are by what we log in.
type Credentials struct {
	LoginPassword string `json:"login_password,omitempty" about:"The login's password."`
}

// Check implements destinations.Credentials.
func (Credentials) Check() error { return nil }
