package fusionpbx

import "slices"

// loseRace is the cause of a call that was answered elsewhere.
const loseRace = "LOSE_RACE"

// countedOnce is the condition, beginning with and, that leaves each call one row: leg b is left out, and so is a call
// that was answered elsewhere, which FusionPBX's own page hides too. What the choice asks for by name is counted all the
// same: the leg that it names, and LOSE_RACE, of whichever leg, if that is among its causes. Columns are behind the
// qualifier, such as "c."; a row without a leg is a call of its own.
func (d *DB) countedOnce(qualifier string, c CDRChoice) string {
	first := "coalesce(" + d.orNull("v_xml_cdr", qualifier+"leg") + ", 'a') = 'a'"
	elsewhere := d.orNull("v_xml_cdr", qualifier+"hangup_cause") + " is not distinct from '" + loseRace + "'"
	named := slices.Contains(c.HangupCauses, loseRace)
	switch {
	case c.Leg != "" && named:
		return ""
	case c.Leg != "":
		return " and not " + elsewhere
	case named:
		return " and (" + first + " or " + elsewhere + ")"
	}
	return " and " + first + " and not " + elsewhere
}

// wasAnswered is the condition that a call was answered: without answer_epoch, that seconds of it were billed.
func (d *DB) wasAnswered(qualifier string) string {
	column := "answer_epoch"
	if !d.hasColumn("v_xml_cdr", column) {
		column = "billsec"
	}
	return d.number("v_xml_cdr", qualifier+column) + " > 0"
}
