package gateways

import (
	"cmp"
	"errors"
	"strings"

	"trunkline/api/params"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/tasks"
)

// Create has a job make the gateway that a form of NewForm was filled in for, and does not wait for it. All that is wrong is
// told at once, by field.
func (s *Service) Create(r *web.Request) (job tasks.Job, err error) {
	f, err := s.NewForm(r)
	if err != nil {
		return job, err
	}
	given := f.asked(r.Params)
	for _, name := range ofNew {
		if value := r.Params.Get(name); value != "" {
			given[name] = value
		}
	}
	as := r.With(given)
	c, err := s.creation(as, readAll)
	if err != nil {
		return job, err
	}
	return s.startTyped(as, c)
}

// Copy is Create for a form of CopyForm.
func (s *Service) Copy(r *web.Request) (job tasks.Job, err error) {
	if _, err := s.rowOfPath(r); err != nil {
		return job, err
	}
	return s.Create(r)
}

// Edit has a job change the gateway of the path to what a form of EditForm was filled in with, as Create. seen is the tag
// of the gateway that the form began with: of another one nothing is changed.
func (s *Service) Edit(r *web.Request, seen string) (job tasks.Job, err error) {
	f, err := s.EditForm(r)
	if err != nil {
		return job, err
	}
	if seen != f.Version {
		return job, errChangedSince
	}
	as := r.With(f.asked(r.Params))
	c, err := s.edition(as, "patch", readAll, func(*web.Request, *asked) {})
	if fault.Is(err, fault.MissingParameters) && len(as.Params) == 0 {
		err = fault.Errorf(fault.MissingParameters, "nothing is to be changed: the form says what stands there")
	}
	if err != nil {
		return job, err
	}
	c.params.Match(seen)
	c.resolved.params.Match(seen)
	return s.startTyped(as, c)
}

var errChangedSince error = fault.Errorf(fault.PreconditionFailed, "the gateway was changed since the form was made; nothing was changed now")

// startTyped starts the job of a change, unless something is wrong with it.
func (s *Service) startTyped(r *web.Request, c changing) (job tasks.Job, err error) {
	answer, err := s.checks.Do(r.Context(), c.resolved.params.DomainUUID, c.resolved)
	if err = cmp.Or(err, answer.err, told(answer.wrong)); err != nil {
		return job, err
	}
	job, _, err = s.jobs.Start(r, s.jobOf(r, c))
	return job, err
}

// told is all that is wrong as one fault, whose details name the parameters; nil if there is nothing. What is not the
// caller's to put right stands alone.
func told(wrong []error) error {
	var all *fault.Error
	for _, err := range wrong {
		f, worded := errors.AsType[*fault.Error](err)
		if !worded || f.Code == fault.PreconditionFailed {
			return err
		}
		if all == nil {
			all = &fault.Error{Code: f.Code, Message: f.Message, Cause: f.Cause}
		}
		all.Details = append(all.Details, details(f)...)
	}
	if all == nil {
		return nil
	}
	all.DetailsTotal = len(all.Details)
	return all
}

// details are what a fault says of each parameter that it names.
func details(f *fault.Error) (all []fault.Detail) {
	if f.Code == fault.MissingParameters {
		names := f.Message[strings.LastIndex(f.Message, ": ")+1:]
		for _, name := range params.Split(names) {
			all = append(all, fault.Detail{Field: name, Code: f.Code, Message: "is missing"})
		}
		return all
	}
	d := fault.Detail{Code: f.Code, Message: f.Message}
	if match := named.FindStringSubmatch(f.Message); match != nil {
		d.Field, d.Message = match[1], strings.TrimPrefix(f.Message, match[0])
	}
	return []fault.Detail{d}
}
