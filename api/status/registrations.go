package status

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/freeswitch"
	"trunkline/internal/fusionpbx"
	"trunkline/internal/tenant"
	"trunkline/internal/token"
)

// Registration is the documented answer, and beside it all devices of the extension, the latest first.
type Registration struct {
	Status            string   `json:"status" enum:"success"`
	Message           string   `json:"message"`
	Registered        string   `json:"registered" enum:"yes,no"`
	RegisterIP        string   `json:"register_ip"`
	RegisterPort      string   `json:"register_port"`
	RegisterUserAgent string   `json:"register_useragent"`
	Extension         string   `json:"extension"`
	TenantDomain      string   `json:"tenant_domain"`
	ExtensionEnabled  string   `json:"extension_enabled" enum:"true,false"`
	Registrations     []device `json:"registrations"` // every device, the latest first; the documented fields are of that one
	web.Ignoring
}

func (s *Service) registrationEndpoints() []web.Endpoint {
	return []web.Endpoint{
		{
			ID: "checkRegistration", Summary: "Is an extension registered, from where and with what?", Methods: []string{"GET", "POST"},
			Path: "/app/registrations/check_registration.php", Entry: web.SignedIn, Scope: token.ScopeRead, Selects: true,
			Answer: web.JSON(http.StatusOK, s.CheckRegistration),
			Params: []web.Param{
				{Name: "extension", About: "Its number, or its alias.", Required: true},
				{Name: "tenant_domain", About: "Its domain. A caller of one domain may leave it out."},
				{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
			},
			Replies: []web.Reply{{Status: 200, About: "Whether it is, and every device.", Body: Registration{}}},
			Faults:  append([]fault.Code{fault.MissingParameters, fault.NotFound}, web.SwitchFaults...),
		},
		{
			ID: "listRegistrations", Summary: "List registrations, by domain and user", Methods: []string{"GET"}, Path: "/v1/registrations",
			Entry: web.SignedIn, Scope: token.ScopeRead, Answer: web.JSON(http.StatusOK, s.Registrations),
			Params:  slices.Concat(web.TenantParams, web.PageParams),
			Replies: []web.Reply{{Status: 200, About: "A page.", Body: DevicePage{}}},
			Faults:  append([]fault.Code{fault.NotFound}, web.SwitchFaults...),
		},
	}
}

// CheckRegistration says whether an extension is registered, and with which devices.
func (s *Service) CheckRegistration(r *web.Request) (answer Registration, err error) {
	t, number, err := extensionOf(r)
	if err != nil {
		return answer, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.settings.StatusTimeout)
	defer cancel()
	extension, err := s.db.Extension(ctx, t.UUID, number)
	if errors.Is(err, fusionpbx.ErrNotFound) {
		return answer, fault.Errorf(fault.NotFound, "extension: there is no extension %.200q in %s", number, t.Name)
	}
	if err != nil {
		return answer, err
	}
	devices, err := s.devicesOf(ctx, extension, t)
	if err != nil {
		return answer, err
	}
	answer = Registration{
		Status: "success", Message: "Extension status retrieved", Registered: "no",
		Extension: extension.Number, TenantDomain: t.Name, ExtensionEnabled: strconv.FormatBool(extension.Enabled),
		Registrations: devices, Ignoring: r.Ignoring,
	}
	if len(devices) > 0 {
		latest := devices[0]
		answer.Registered, answer.RegisterIP, answer.RegisterUserAgent = "yes", latest.IP, latest.UserAgent
		if latest.Port > 0 {
			answer.RegisterPort = strconv.Itoa(latest.Port)
		}
	}
	return answer, nil
}

// extensionOf is the extension that the request names, and its domain. Only who has one domain may leave
// that out: a superadmin's own is rarely the one that is meant.
func extensionOf(r *web.Request) (t tenant.Domain, number string, err error) {
	t, named, err := r.Tenant()
	if err != nil {
		return t, "", err
	}
	number = r.Params.Get("extension")
	absent := r.Params.Absent("extension")
	if !named && (r.Caller.Domains.All || t.UUID == "") {
		absent = append(absent, "tenant_domain")
	}
	if len(absent) > 0 {
		return t, "", fault.Missing(absent...)
	}
	if t.UUID == "" {
		return t, "", fault.Invalid("tenant_domain", "%s has no extensions; name a domain", tenant.Global)
	}
	return t, number, checkUser(number, t)
}

// checkUser fails if the switch could not be asked for the user, naming the parameter at fault.
func checkUser(user string, t tenant.Domain) error {
	err := freeswitch.CheckUser(user, t.Name)
	argument, ok := errors.AsType[*freeswitch.ArgumentError](err)
	switch {
	case !ok:
		return err
	case freeswitch.CheckUser(user, "localhost") == nil:
		return fault.Invalid("tenant_domain", "%s %s to be asked for at the switch", t.Name, argument.Reason)
	default:
		return fault.Invalid("extension", "%s", argument.Reason)
	}
}

// devicesOf asks every enabled profile of every switch for the extension's devices, and for those of its
// alias, which a telephone may register as too. Each question is for one user, so that what is read does
// not grow with the other registrations.
func (s *Service) devicesOf(ctx context.Context, e fusionpbx.Extension, t tenant.Domain) ([]device, error) {
	users := []string{e.Number}
	if e.Alias != "" && e.Alias != e.Number && freeswitch.CheckUser(e.Alias, t.Name) == nil {
		users = append(users, e.Alias)
	}
	profiles, err := s.db.EnabledProfiles(ctx)
	if err != nil {
		return nil, err
	}
	var running runningProfiles
	found := make([][]device, len(s.pbx.Switches))
	group, groupCtx := errgroup.WithContext(ctx)
	for i, sw := range s.pbx.Switches {
		group.Go(func() error {
			for _, user := range users {
				list, err := running.ask(groupCtx, sw, profiles, func(ctx context.Context, profile string) ([]freeswitch.Registration, error) {
					return sw.UserRegistrations(ctx, profile, user, t.Name)
				})
				if err != nil {
					return err
				}
				for _, registration := range list {
					found[i] = append(found[i], deviceOf(registration, sw.Addr(), time.Now()))
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if err := running.check(profiles); err != nil {
		return nil, err
	}
	devices := append([]device{}, slices.Concat(found...)...)
	latestFirst(devices)
	return devices, nil
}

// DevicePage is one page of the list, by domain and user.
type DevicePage struct {
	Registrations []device `json:"registrations"`
	Next          string   `json:"next,omitempty"` // the after of the next page; absent on the last one
}

// Registrations lists the registered devices of the caller's domains. They come from the profiles
// themselves and not from `show registrations`, which has no user agents and keeps what was flushed.
func (s *Service) Registrations(r *web.Request) (page DevicePage, err error) {
	q, err := r.Domains()
	if err != nil {
		return page, err
	}
	limit, err := r.Params.Limit()
	if err != nil {
		return page, err
	}
	after, err := base64.RawURLEncoding.DecodeString(r.Params.Get("after"))
	if err != nil {
		return page, fault.Invalid("after", "is not what the page before gave as next")
	}
	// The list begins with what the switches say now, as a check of one extension does; its further pages go on
	// from that.
	ask := s.now.ReadAnew
	if len(after) > 0 {
		ask = s.now.Read
	}
	now, err := ask(r.Context(), "", s.read)
	if err != nil {
		return page, err
	}
	devices := now.devices()
	from, _ := slices.BinarySearchFunc(devices, string(after), func(d device, key string) int { return strings.Compare(d.key, key) })
	for from < len(devices) && devices[from].key == string(after) {
		from++
	}
	page = DevicePage{Registrations: []device{}}
	for _, d := range devices[from:] {
		if !d.of(q) {
			continue
		}
		if len(page.Registrations) == limit {
			last := page.Registrations[limit-1]
			page.Next = base64.RawURLEncoding.EncodeToString([]byte(last.key))
			break
		}
		page.Registrations = append(page.Registrations, d)
	}
	return page, nil
}
