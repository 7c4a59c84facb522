package gateways

import (
	"strings"

	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/gateway"
)

// maxTags is how many ETags a request may name.
const maxTags = 20

// conditionParams are the headers by which a change is made only of what the caller has seen.
var conditionParams = []web.Param{
	{Name: "If-Match", Header: true, About: "The ETag of the gateway as the caller has seen it, or * for any: if it is another one when the change takes effect, nothing is changed (412). Several have commas between them."},
	{Name: "If-None-Match", Header: true, About: "*: there must be no such gateway yet, else nothing is changed (412)."},
}

// conditionHeaders are their names.
var conditionHeaders = []string{"If-Match", "If-None-Match"}

// setTag sets the header that names the gateway as it stands.
func setTag(r *web.Request, tag string) {
	if tag != "" {
		r.SetHeader("ETag", `"`+tag+`"`)
	}
}

// conditionsOf reads the request's If-Match and If-None-Match.
func conditionsOf(r *web.Request) (c gateway.Conditions, err error) {
	header := r.HTTP().Header
	for _, name := range conditionHeaders {
		// A script whose variable came out empty has not asked for a change whatever stands there.
		if given := header.Values(name); len(given) > 0 && strings.TrimSpace(strings.Join(given, "")) == "" {
			return c, fault.Invalid(name, "is there and empty; send *, an ETag in quotes, or leave it out")
		}
	}
	if c.IfMatch, err = parseTags(strings.Join(header.Values("If-Match"), ",")); err != nil {
		return c, err
	}
	none := strings.TrimSpace(strings.Join(header.Values("If-None-Match"), ","))
	if none != "" && none != gateway.AnyTag {
		return c, fault.Invalid("If-None-Match", "may be * alone; to change what one has seen, send If-Match")
	}
	c.IfNoneMatch = none != ""
	if c.IfNoneMatch && len(c.IfMatch) > 0 {
		return c, fault.Invalid("If-None-Match", "cannot hold together with If-Match; send one of them")
	}
	return c, nil
}

// noConditions refuses both, where nobody would look at them: a caller who sends them counts on it.
func noConditions(r *web.Request) error {
	for _, name := range conditionHeaders {
		if len(r.HTTP().Header.Values(name)) > 0 {
			return fault.Invalid(name, "means nothing here; leave it out, or make the change of each gateway by itself, at /v1/gateways/{id}")
		}
	}
	return nil
}

// parseTags reads an If-Match (RFC 9110, section 13.1.1). A weak tag is compared strongly, and so is nobody's.
func parseTags(header string) (tags []string, err error) {
	rest := strings.TrimSpace(header)
	if rest == "" {
		return nil, nil
	}
	if rest == gateway.AnyTag {
		return []string{gateway.AnyTag}, nil
	}
	for {
		rest = strings.TrimLeft(rest, ", \t")
		if rest == "" {
			break
		}
		tag, after, whole := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(rest, "W/"), `"`), `"`)
		weak := strings.HasPrefix(rest, "W/")
		if !whole || !strings.HasPrefix(strings.TrimPrefix(rest, "W/"), `"`) || len(tags) == maxTags || after != "" && !strings.HasPrefix(strings.TrimLeft(after, " \t"), ",") {
			return nil, fault.Invalid("If-Match", `is not *, nor up to %d ETags in quotes with commas between them, such as "0a1b"`, maxTags)
		}
		switch {
		case weak:
			tag = "W/" + tag
		case tag == gateway.AnyTag:
			tag = `"*"` // a tag that no gateway has, and not any
		}
		tags, rest = append(tags, tag), after
	}
	if len(tags) == 0 {
		return nil, fault.Invalid("If-Match", "names no ETag; send one in quotes, or *")
	}
	return tags, nil
}
