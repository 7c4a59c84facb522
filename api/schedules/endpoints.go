package schedules

import (
	"net/http"
	"slices"

	"trunkline/api/cdrs"
	"trunkline/api/web"
	"trunkline/internal/fault"
	"trunkline/internal/schedule"
	"trunkline/internal/schedule/store"
	"trunkline/internal/token"
)

// scope is what schedules need: they export what the same credentials export by hand, of the same domains.
const scope = token.ScopeExport

// What the files of a window are.
const (
	filesOne        = "one"
	filesEachDomain = "each_domain"
)

var (
	kinds = []string{string(schedule.PreviousDay), string(schedule.PreviousWeek), string(schedule.PreviousMonth), string(schedule.SinceLastRun)}

	nameParam = web.Param{Name: "name", About: "Unique among the domain's."}
	cronParam = web.Param{Name: "cron", About: "When it runs: minute, hour, day of the month, month, day of the week, such as 15 0 * * *; or @hourly, @daily, @weekly, @monthly, @yearly."}
	zoneParam = web.Param{Name: "time_zone", About: "Whose clock cron and the windows go by, such as Europe/Paris; left out: the domain's."}

	// definitionParams are what can be said of a schedule beside its name and cron.
	definitionParams = slices.Concat([]web.Param{
		zoneParam,
		{Name: "window", About: "What each export covers; " + string(schedule.PreviousDay) + " if left out.", Choices: kinds},
		{Name: "lag", About: "For how many seconds after its end a window is left alone, since CDRs come late.", Kind: web.KindNumberOrEmpty, Least: 0, Most: int(schedule.MaxLag.Seconds()), Usual: usualLag},
		{Name: "files", About: "Of a schedule of all domains: one file a window (if left out), or one for each domain.", Choices: []string{filesOne, filesEachDomain}},
		{Name: "file_name", About: "What files are called at destinations: a relative path with {number} and other placeholders; " + string(store.DefaultFileName) + " if left out."},
		{Name: "destinations", About: "Where files are brought: destinations by id or name, with commas between."},
		{Name: "enabled", About: "false: it is made, or left, paused.", Kind: web.KindFlag},
	}, cdrs.ContentParams())

	ofOne = []web.Param{
		{Name: "tenant_domain", About: "Whose CDRs it exports, or global for all domains' (superadmin). A caller of one domain may leave it out."},
		{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
	}
	filterParams = []web.Param{
		{Name: "tenant_domain", About: "The domain, or global for those of all. Left out: all that the caller sees."},
		{Name: "domain_uuid", About: "The same by UUID.", Kind: web.KindUUID},
		{Name: "name", About: "Those whose name holds this, in any case of letters."},
		{Name: "enabled", About: "true: those that run. false: those that are paused.", Kind: web.KindFlag},
		{Name: "failing", About: "true: those of which a window has failed, or that no scheduler can read.", Kind: web.KindFlag},
	}
	timesParam  = web.Param{Name: "n", About: "How many times.", Kind: web.KindNumber, Least: 1, Most: maxTimes, Usual: usualTimes}
	reasonParam = web.Param{Name: "reason", About: "Why, for people."}
	numberParam = web.Param{Name: "number", About: "The window's, within its series.", Kind: web.KindNumber, Least: 1, Most: maxNumber}
	seriesParam = web.Param{Name: "series", About: "Which numbers are meant: the schedule's own (run, if left out), or those of its backfills.", Choices: []string{string(store.SeriesRun), string(store.SeriesBackfill)}}
	allParam    = web.Param{Name: "all", About: "true: all that the caller sees, in place of a filter.", Kind: web.KindFlag}
)

func required(p web.Param) web.Param {
	p.Required = true
	return p
}

// Endpoints are those of schedules.
func (s *Service) Endpoints() []web.Endpoint {
	all := slices.Concat(s.definitionEndpoints(), s.runEndpoints())
	for i := range all {
		all[i].Entry, all[i].Scope = web.SignedIn, scope
	}
	return all
}

func (s *Service) definitionEndpoints() []web.Endpoint {
	const path = "/v1/schedules"
	return []web.Endpoint{
		{
			ID: "listSchedules", Summary: "List schedules, newest first", Methods: []string{"GET"}, Path: path, Answer: web.JSON(http.StatusOK, s.List),
			Params:  slices.Concat(filterParams, web.PageParams),
			Replies: []web.Reply{{Status: 200, About: "A page.", Body: SchedulePage{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "createSchedule", Summary: "Make a schedule", Methods: []string{"POST"}, Path: path, Answer: s.create,
			Params:  slices.Concat([]web.Param{required(nameParam), required(cronParam)}, ofOne, definitionParams),
			Replies: []web.Reply{{Status: 201, About: "The schedule.", Body: Schedule{}, Location: true}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound, fault.Conflict},
		},
		{
			ID: "countSchedules", Summary: "Count schedules", Methods: []string{"GET"}, Path: path + "/counts", Answer: web.JSON(http.StatusOK, s.Count),
			Params:  filterParams,
			Replies: []web.Reply{{Status: 200, About: "How many there are.", Body: ScheduleCounts{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "nextRuns", Summary: "When a cron expression runs next, before there is a schedule", Methods: []string{"GET"}, Path: path + "/next", Answer: web.JSON(http.StatusOK, s.NextOf),
			Params:  slices.Concat([]web.Param{required(cronParam), zoneParam, timesParam}, ofOne),
			Replies: []web.Reply{{Status: 200, About: "When it runs, in words and by the clock.", Body: Times{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound},
		},
		{
			ID: "pauseSchedules", Summary: "Pause many schedules", Methods: []string{"POST"}, Path: path + "/pause", Answer: web.JSON(http.StatusOK, s.PauseMany),
			Params:  slices.Concat(filterParams, []web.Param{allParam, reasonParam}),
			Replies: []web.Reply{{Status: 200, About: "Which were paused by this.", Body: Switched{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound},
		},
		{
			ID: "resumeSchedules", Summary: "Resume many schedules", Methods: []string{"POST"}, Path: path + "/resume", Answer: web.JSON(http.StatusOK, s.ResumeMany),
			Params:  slices.Concat(filterParams, []web.Param{allParam}),
			Replies: []web.Reply{{Status: 200, About: "Which were resumed by this.", Body: Switched{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound},
		},
		{
			ID: "getSchedule", Summary: "Show a schedule", Methods: []string{"GET"}, Path: path + "/:id", Answer: web.JSON(http.StatusOK, s.Show),
			Replies: []web.Reply{{Status: 200, About: "The schedule.", Body: Schedule{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "changeSchedule", Summary: "Change a schedule", Methods: []string{"PATCH"}, Path: path + "/:id", Answer: web.JSON(http.StatusOK, s.Change),
			Note:    "What is left out stays, what is sent empty is as if it had been left out when the schedule was made. The next window begins where the last one ended, whatever is changed: no call is left out or exported twice.",
			Params:  slices.Concat([]web.Param{nameParam, cronParam}, definitionParams),
			Replies: []web.Reply{{Status: 200, About: "The schedule as it is now, with its next window.", Body: Schedule{}}},
			Faults:  []fault.Code{fault.NotFound, fault.Conflict},
		},
		{
			ID: "deleteSchedule", Summary: "Delete a schedule with its history", Methods: []string{"DELETE"}, Path: path + "/:id", Answer: web.JSON(http.StatusOK, s.Delete),
			Note:    "Exports that are under way go on, and files stay.",
			Replies: []web.Reply{{Status: 200, About: "The schedule as it was.", Body: Schedule{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "nextRunsOfSchedule", Summary: "When a schedule runs next", Methods: []string{"GET"}, Path: path + "/:id/next", Answer: web.JSON(http.StatusOK, s.Next),
			Params:  []web.Param{timesParam},
			Replies: []web.Reply{{Status: 200, About: "When it runs, in words and by the clock; or would, if it were not paused.", Body: Times{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
	}
}

func (s *Service) runEndpoints() []web.Endpoint {
	const path = "/v1/schedules/:id/"
	return []web.Endpoint{
		{
			ID: "runSchedule", Summary: "Run a schedule now", Methods: []string{"POST"}, Path: path + "run", Limit: web.LimitExports, Answer: accepted(s.Run),
			Note:    "Without a number: the windows that are due or, if there are none, an extra export of what has come since the last one, which has no number and changes nothing of what is exported later. With a number: that window again, as its next revision. While the schedule is paused, those that are due wait until it is resumed, and note says so.",
			Params:  []web.Param{numberParam, seriesParam},
			Replies: []web.Reply{{Status: 202, About: "The windows; their exports begin in a moment.", Body: Made{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound, fault.Conflict},
		},
		{
			ID: "skipWindow", Summary: "Leave a window out", Methods: []string{"POST"}, Path: path + "skip", Answer: web.JSON(http.StatusOK, s.Skip),
			Note:    "One that waits or has failed, by its number; without one the next that would be made. It keeps its number.",
			Params:  []web.Param{required(reasonParam), numberParam, seriesParam},
			Replies: []web.Reply{{Status: 200, About: "The window, skipped.", Body: Made{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound, fault.Conflict},
		},
		{
			ID: "backfillSchedule", Summary: "Export a past span", Methods: []string{"POST"}, Path: path + "backfill", Limit: web.LimitExports, Answer: accepted(s.Backfill),
			Note: "As the schedule's windows, with numbers of their own series. It lies before what the schedule exports by itself, and no call is exported twice. While the schedule is paused they wait until it is resumed, and note says so.",
			Params: []web.Param{
				{Name: "from", About: "The first day, or moment.", Required: true},
				{Name: "to", About: "The last day, or moment: inclusive.", Required: true},
			},
			Replies: []web.Reply{{Status: 202, About: "The windows, the oldest first.", Body: Made{}}},
			Faults:  []fault.Code{fault.MissingParameters, fault.NotFound, fault.Conflict},
		},
		{
			ID: "pauseSchedule", Summary: "Pause a schedule", Methods: []string{"POST"}, Path: path + "pause", Answer: web.JSON(http.StatusOK, s.Pause),
			Note:    "What is under way goes on, and what somebody asks for by name is still exported.",
			Params:  []web.Param{reasonParam},
			Replies: []web.Reply{{Status: 200, About: "The schedule.", Body: Schedule{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "resumeSchedule", Summary: "Resume a schedule", Methods: []string{"POST"}, Path: path + "resume", Answer: web.JSON(http.StatusOK, s.Resume),
			Note:    "At its next run it exports what has come meanwhile. One whose domain is disabled stays paused.",
			Replies: []web.Reply{{Status: 200, About: "The schedule.", Body: Schedule{}}},
			Faults:  []fault.Code{fault.NotFound, fault.Conflict},
		},
		{
			ID: "listWindows", Summary: "List the windows of a schedule, newest first", Methods: []string{"GET"}, Path: path + "windows", Answer: web.JSON(http.StatusOK, s.Windows),
			Params: slices.Concat([]web.Param{
				{Name: "series", About: "Those of a series.", Choices: web.NamesOf(store.AllSeries)},
				{Name: "state", About: "Those in a state.", Choices: web.NamesOf(store.States)},
				{Name: "number", About: "The one of a number, with all its revisions.", Kind: web.KindNumber, Least: 1, Most: maxNumber},
			}, web.PageParams),
			Replies: []web.Reply{{Status: 200, About: "A page.", Body: WindowPage{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
		{
			ID: "getWindow", Summary: "Show a window of a schedule", Methods: []string{"GET"}, Path: path + "windows/:window", Answer: web.JSON(http.StatusOK, s.Window),
			Replies: []web.Reply{{Status: 200, About: "The window, with its files.", Body: Window{}}},
			Faults:  []fault.Code{fault.NotFound},
		},
	}
}
