package servers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	// S3AccessKey and S3SecretKey are those of the owner of an S3's buckets.
	S3AccessKey, S3SecretKey = "AKOWNER", "the-secret-of-the-owner"
	// S3GuestKey and S3GuestSecret are those of somebody who may do what a bucket's policy says and nothing else.
	S3GuestKey, S3GuestSecret = "AKGUEST", "the-secret-of-the-guest"
	// S3Region is the only one that its requests may be signed for.
	S3Region = "eu-central-1"

	s3Patience = 10 * time.Second
	// versityModule is the module, below this one's root, that says which build of the server is run.
	versityModule = "internal/pbxtest/servers/versitygw"
)

// S3 is a private server of S3: Versity's gateway before a folder, which checks signatures, policies and conditions.
type S3 struct {
	process          *process
	dir, listen, log string
}

// versityProgram builds the server, unless it is in Go's cache, and returns the program's path.
func versityProgram(ctx context.Context) (string, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	module := filepath.Join(filepath.Dir(strings.TrimSpace(string(root))), versityModule)
	var said strings.Builder
	build := exec.CommandContext(ctx, "go", "-C", module, "tool", "-n", "versitygw")
	build.Stderr = &said
	path, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("building the server of S3: %w: %s", err, said.String())
	}
	return strings.TrimSpace(string(path)), nil
}

// StartS3 starts a private server of S3 with all its files in dir, and returns once it answers. The first one on a machine is built before,
// which takes a minute.
func StartS3(ctx context.Context, dir string) (*S3, error) {
	program, err := versityProgram(ctx)
	if err != nil {
		return nil, err
	}
	for range portAttempts {
		var s *S3
		s, err = startS3(ctx, program, dir)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, errPortTaken) {
			break
		}
	}
	return nil, fmt.Errorf("starting a private server of S3: %w", err)
}

func startS3(ctx context.Context, program, dir string) (*S3, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	s := &S3{dir: dir, listen: fmt.Sprintf("127.0.0.1:%d", port), log: filepath.Join(dir, "s3.log")}
	folder := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"buckets", "beside", "users"} {
		if err := os.MkdirAll(folder(name), 0o700); err != nil {
			return nil, fmt.Errorf("making the folders of a server of S3: %w", err)
		}
	}
	guest := map[string]any{"access": S3GuestKey, "secret": S3GuestSecret, "role": "user"}
	users, err := json.Marshal(map[string]any{"accessAccounts": map[string]any{S3GuestKey: guest}})
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder("users"), "users.json"), users, 0o600); err != nil {
		return nil, fmt.Errorf("writing the users of a server of S3: %w", err)
	}
	log, err := newLog(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// What stands beside files is kept beside them, since not every file system has attributes.
	cmd := exec.Command(program, "--port", s.listen, "--region", S3Region, "--iam-dir", folder("users"), "--quiet", "--keep-alive",
		"posix", "--sidecar", folder("beside"), folder("buckets"))
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID="+S3AccessKey, "ROOT_SECRET_ACCESS_KEY="+S3SecretKey)
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = startProcess(cmd, syscall.SIGTERM); err != nil {
		return nil, err
	}
	if err := s.process.awaitReady(ctx, s.log, "address already in use", s.answers); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// answers asks as nobody else can: whoever took the port in its place does not know the keys.
func (s *S3) answers(ctx context.Context) bool {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.listen)
	if err != nil {
		return false
	}
	_ = conn.Close()
	client, err := s.client()
	if err != nil {
		return false
	}
	_, err = client.ListBuckets(ctx)
	return err == nil
}

func (s *S3) client() (*minio.Client, error) {
	return minio.New(s.listen, &minio.Options{Creds: credentials.NewStaticV4(S3AccessKey, S3SecretKey, ""), Region: S3Region, MaxRetries: 1})
}

// URL is where it answers.
func (s *S3) URL() string { return "http://" + s.listen }

// Log is the end of what it logged.
func (s *S3) Log() string { return tail(s.log) }

// Close stops it and waits until it is gone.
func (s *S3) Close() error { return s.process.stop(s3Patience, syscall.SIGTERM, syscall.SIGKILL) }

// MakeBucket makes a bucket, in which the guest has these rights, such as s3:GetObject.
func (s *S3) MakeBucket(ctx context.Context, name string, rights ...string) error {
	client, err := s.client()
	if err != nil {
		return err
	}
	if err := client.MakeBucket(ctx, name, minio.MakeBucketOptions{}); err != nil {
		return fmt.Errorf("making the bucket %s: %w", name, err)
	}
	if len(rights) == 0 {
		return nil
	}
	policy, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": statements(name, rights)})
	if err != nil {
		return err
	}
	if err := client.SetBucketPolicy(ctx, name, string(policy)); err != nil {
		return fmt.Errorf("allowing %v in the bucket %s: %w", rights, name, err)
	}
	return nil
}

// statement is one of a bucket's policy.
type statement struct {
	Effect    string
	Principal map[string]string
	Action    []string
	Resource  string
}

// statements allow the guest what it may do in the bucket itself and, apart from that, with its files.
func statements(bucket string, rights []string) (all []statement) {
	of := map[string][]string{}
	for _, right := range rights {
		resource := "arn:aws:s3:::" + bucket + "/*"
		if strings.HasPrefix(right, "s3:ListBucket") {
			resource = "arn:aws:s3:::" + bucket
		}
		of[resource] = append(of[resource], right)
	}
	for resource, actions := range of {
		all = append(all, statement{Effect: "Allow", Principal: map[string]string{"AWS": S3GuestKey}, Action: actions, Resource: resource})
	}
	return all
}

// Read reads a file.
func (s *S3) Read(bucket, key string) ([]byte, error) {
	return os.ReadFile(filepath.Join(s.dir, "buckets", bucket, filepath.FromSlash(key)))
}

// Names are those of all files in the bucket.
func (s *S3) Names(ctx context.Context, bucket string) (names []string, err error) {
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	for file := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true}) {
		if file.Err != nil {
			return nil, fmt.Errorf("listing the bucket %s: %w", bucket, file.Err)
		}
		names = append(names, file.Key)
	}
	return names, nil
}

// Remove removes the files whose names match a pattern of path/filepath's, of which there has to be one.
func (s *S3) Remove(bucket, pattern string) error {
	files, err := filepath.Glob(filepath.Join(s.dir, "buckets", bucket, pattern))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("the bucket %s has no %s", bucket, pattern)
	}
	for _, file := range files {
		err = errors.Join(err, os.Remove(file))
	}
	return err
}

// Age has a file be as old as if it had last been written at that time.
func (s *S3) Age(bucket, key string, written time.Time) error {
	return os.Chtimes(filepath.Join(s.dir, "buckets", bucket, filepath.FromSlash(key)), written, written)
}

// Unfinished is how many uploads of files in the bucket nobody has completed or aborted.
func (s *S3) Unfinished(ctx context.Context, bucket string) (n int, err error) {
	client, err := s.client()
	if err != nil {
		return 0, err
	}
	for upload := range client.ListIncompleteUploads(ctx, bucket, "", true) {
		if upload.Err != nil {
			return n, fmt.Errorf("listing the uploads of the bucket %s: %w", bucket, upload.Err)
		}
		n++
	}
	return n, nil
}
