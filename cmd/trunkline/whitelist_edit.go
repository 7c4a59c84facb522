package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"trunkline/internal/fault"
	"trunkline/internal/whitelist"
)

type whitelistEditCommand struct {
	AllowLockout bool `help:"Even if no address is left, so that nobody may call."`
}

func (whitelistEditCommand) Help() string {
	return `You edit a copy, in the editor that VISUAL or EDITOR names (else sensible-editor, nano or vi). When you leave the editor the copy is checked, and takes the file's place
if every line is right and nobody else has changed the file meanwhile. If a line is broken you may edit again; what you wrote is kept.

Example: EDITOR=nano trunkline whitelist edit`
}

func (c whitelistEditCommand) Run(cmd *command) error {
	file, settings, err := cmd.whitelistFile()
	if err != nil {
		return err
	}
	editor, err := editorOf(cmd.environ)
	if err != nil {
		return err
	}
	e := whitelistEdit{cmd: cmd, file: file, as: whitelist.Editor{AllowLockout: c.AllowLockout}}
	e.editor = func(path string) error {
		// Not bound to the context: Ctrl-C in an editor is the editor's.
		program := exec.Command(editor[0], append(editor[1:], path)...)
		program.Env = cmd.environ
		program.Stdin, program.Stdout, program.Stderr = os.Stdin, cmd.out, cmd.err
		if err := program.Run(); err != nil {
			return fmt.Errorf("the editor %s: %w; VISUAL or EDITOR chooses another", editor[0], err)
		}
		return nil
	}
	if info, err := os.Stdin.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		e.again = func() bool { return cmd.askYes(os.Stdin, "Edit again?") }
	}
	changed, err := e.run()
	if changed {
		cmd.changed(settings, "whitelist.replace", file.Path)
	}
	return err
}

// editorOf returns the editor's program and its first arguments. No shell reads them: they are
// separated by spaces.
func editorOf(environ []string) ([]string, error) {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		for _, pair := range environ {
			if value, found := strings.CutPrefix(pair, name+"="); found && len(strings.Fields(value)) > 0 {
				return strings.Fields(value), nil
			}
		}
	}
	for _, program := range []string{"sensible-editor", "nano", "vi"} {
		if _, err := exec.LookPath(program); err == nil {
			return []string{program}, nil
		}
	}
	return nil, errors.New("there is no editor; set EDITOR to the one that you like")
}

// askYes asks the user. Return alone is yes, and the end of the input is no.
func (cmd *command) askYes(in io.Reader, question string) bool {
	cmd.printf("%s [Y/n] ", question)
	var answer string
	if _, err := fmt.Fscanln(in, &answer); errors.Is(err, io.EOF) {
		cmd.printf("\n")
		return false
	}
	return !strings.HasPrefix(strings.ToLower(answer), "n")
}

// whitelistEdit is one run of the edit command.
type whitelistEdit struct {
	cmd    *command
	file   whitelist.File
	as     whitelist.Editor
	editor func(path string) error // lets the user edit that file
	again  func() bool             // asks whether to edit again; nil: there is nobody to ask
}

// run reports whether the file was changed. What the user wrote is never lost: an error names the copy.
func (e whitelistEdit) run() (changed bool, err error) {
	doc, err := e.file.Read()
	if errors.Is(err, whitelist.ErrMissing) {
		doc, err = whitelist.Parse(nil), nil
	}
	if err == nil {
		if _, trouble := doc.Set(); errors.Is(trouble, whitelist.ErrTooLarge) {
			err = trouble // the copy would be the file's beginning
		}
	}
	if err != nil {
		return false, whitelistTrouble(e.file, err)
	}
	name, err := copyOf(doc)
	if err != nil {
		return false, err
	}
	for {
		if err := e.editor(name); err != nil {
			return false, e.kept(name, err)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return false, e.kept(name, err)
		}
		if bytes.Equal(text, doc.Bytes()) {
			e.cmd.printf("nothing was changed; an editor that returns at once needs its option to wait, such as code --wait\n")
			return false, os.Remove(name)
		}
		saved, err := e.file.Replace(e.cmd.ctx, text, doc.Version(), e.as)
		if err == nil {
			e.cmd.printf("saved: %d addresses and networks in %s\n", len(saved.Entries()), e.file.Path)
			return true, os.Remove(name)
		}
		mendable := fault.Is(err, fault.InvalidRequest) || fault.Is(err, fault.Lockout)
		err = whitelistRefusal(err)
		if broken := e.cmd.printBroken(err); broken > 0 {
			err = fmt.Errorf("broken lines, see above: %d", broken)
		}
		if !mendable || e.again == nil {
			return false, e.kept(name, err)
		}
		e.cmd.printf("not saved: %v\n", err)
		if !e.again() {
			return false, e.kept(name, errors.New("not saved"))
		}
	}
}

// copyOf writes the text into a file of its own that only its owner can read.
func copyOf(doc *whitelist.Document) (name string, err error) {
	file, err := os.CreateTemp("", "chkcon_whitelist.*.conf")
	if err != nil {
		return "", fmt.Errorf("making the copy to edit: %w; set TMPDIR to a folder that you can write in", err)
	}
	_, err = file.Write(doc.Bytes())
	if err := errors.Join(err, file.Close()); err != nil {
		return "", fmt.Errorf("writing the copy to edit: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return file.Name(), nil
}

// kept adds where the user's text is.
func (e whitelistEdit) kept(name string, err error) error {
	return fmt.Errorf("%w; %s is as it was, and your text is in %s", err, e.file.Path, name)
}
