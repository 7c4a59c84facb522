package delivery

// Order asks for a file to be brought to a destination once it is there.
type Order struct {
	DestinationID string `json:"destination" format:"uuid"`
	Name          string `json:"name"` // what the file is called there, as CheckName has it
}
