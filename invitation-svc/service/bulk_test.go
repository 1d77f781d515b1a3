package service_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	directorypb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	pb "entente.dev/proto/gen/entente/invitation/v1"
	"entente.dev/servicekit/fault"
	"entente.dev/servicekit/tenant"
	"github.com/google/uuid"
	"google.golang.org/grpc/metadata"
)

// bulkApp is the context of an application that may invite in bulk and that
// the directory knows.
func (s *suite) bulkApp(t *testing.T, of tenant.ID) context.Context {
	t.Helper()
	id := uuid.New()
	s.dir.AddPerson(of.String(), id.String(), "HR portal", "", false)
	s.dir.Alter(of.String(), id.String(), func(p *directorypb.Principal) {
		p.Type, p.Permissions = "servicePrincipal", []string{"User.Invite.All"}
	})
	return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+s.issuer.Application(of, id, "User.Invite.All"))
}

func (s *suite) bulks() pb.BulkInvitationServiceClient {
	return pb.NewBulkInvitationServiceClient(s.gateway)
}

// upload sends a file in chunks.
func (s *suite) upload(ctx context.Context, content string) (*pb.BulkInvitation, error) {
	stream, err := s.bulks().StartBulkInvitation(ctx)
	for err == nil && content != "" {
		n := min(len(content), 256<<10)
		err = stream.Send(&pb.StartBulkInvitationRequest{Content: []byte(content[:n])})
		content = content[n:]
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return stream.CloseAndRecv()
}

func (s *suite) bulkResults(ctx context.Context, id string) (string, error) {
	stream, err := s.bulks().GetBulkInvitationResults(ctx, &pb.GetBulkInvitationResultsRequest{Id: id})
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return b.String(), nil
		}
		if err != nil {
			return "", err
		}
		b.Write(m.Data)
	}
}

// ended waits until a job has ended.
func (s *suite) ended(t *testing.T, ctx context.Context, id string) *pb.BulkInvitation {
	t.Helper()
	deadline := time.After(time.Minute)
	for {
		b, err := s.bulks().GetBulkInvitation(ctx, &pb.GetBulkInvitationRequest{Id: id})
		if err != nil {
			t.Fatal(err)
		}
		if b.CompletedDateTime != nil {
			return b
		}
		select {
		case <-deadline:
			t.Fatalf("not ended: %v", b)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func TestF19_ABulkInvitation(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.bulkApp(t, s.tenant)
	template, err := s.bulks().GetBulkInvitationTemplate(admin, &pb.GetBulkInvitationTemplateRequest{})
	if err != nil {
		t.Fatal(err)
	}
	head := string(template.Data)
	rows := "ann@partner.example,https://contoso.example/,true,\"Hello, Ann\"\n" + "ben@partner.example,https://contoso.example/,TRUE,=HYPERLINK(1)\n" +
		"cid@partner.example,https://contoso.example/,false,\nown@contoso.example,https://contoso.example/,true,\n"
	made, err := s.upload(admin, head+rows)
	if err != nil || made.Total != 4 || made.Status != pb.BulkInvitation_notStarted {
		t.Fatalf("%v, %v", made, err)
	}
	b := s.ended(t, admin, made.Id)
	if b.Status != pb.BulkInvitation_completed || b.Succeeded != 3 || b.Failed != 1 {
		t.Errorf("%v", b)
	}
	<-s.sink.Arrived()
	<-s.sink.Arrived()
	results, err := s.bulkResults(admin, made.Id)
	if err != nil || strings.Count(results, ",Success,") != 3 || !strings.Contains(results, "own@contoso.example,https://contoso.example/,true,,,Failure,BadRequest,This user cannot be invited") ||
		!strings.Contains(results, ",'=HYPERLINK(1),") || strings.Contains(results, "ticket") || strings.Contains(results, "login.entente.example") {
		t.Errorf("%s, %v", results, err)
	}
	o, err := s.bulks().GetInviteUsersOperation(admin, &pb.GetBulkInvitationRequest{Id: made.Id})
	if err != nil || o.Kind != "inviteUsers" || o.Status != directorypb.BulkOperation_completedWithErrors || o.TotalCount != 4 || o.SuccessCount != 3 || o.FailureCount != 1 {
		t.Errorf("%v, %v", o, err)
	}
	for name, file := range map[string]string{"no version": strings.TrimPrefix(head, "version:v1.0\n") + rows, "a heading is missing": strings.Replace(head, "Email address to invite [inviteeEmail] Required", "Address", 1) + rows,
		"a bad address": head + rows + "nobody,https://contoso.example/\n", "50 001 rows": head + strings.Repeat("a@partner.example,https://contoso.example/\n", 50_001)} {
		if _, err := s.upload(admin, file); !fault.Is(err, errorspb.Reason_PROPERTY_INVALID) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, size := range []int{5<<20 + 1, 20<<20 + 1} {
		if _, err := s.upload(admin, head+strings.Repeat("x", size)); !fault.Is(err, errorspb.Reason_TOO_LARGE) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if n := s.dir.Users(s.tenant.String()); n != 3 {
		t.Errorf("%d users: a wrong file ran", n)
	}
}

func TestBulkInvitationsAreDeniedByDefault(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.bulkApp(t, s.tenant)
	template, err := s.bulks().GetBulkInvitationTemplate(admin, &pb.GetBulkInvitationTemplateRequest{})
	if err != nil {
		t.Fatal(err)
	}
	file := string(template.Data) + "ann@partner.example,https://contoso.example/\n"
	made, err := s.upload(admin, file)
	if err != nil {
		t.Fatal(err)
	}
	s.ended(t, admin, made.Id)
	calls := map[string]func(context.Context) error{
		"start": func(ctx context.Context) error { _, err := s.upload(ctx, file); return err },
		"start an operation": func(ctx context.Context) error {
			stream, err := s.bulks().StartInviteUsersOperation(ctx)
			if err == nil {
				_, err = stream.CloseAndRecv()
			}
			return err
		},
		"template": func(ctx context.Context) error {
			_, err := s.bulks().GetBulkInvitationTemplate(ctx, &pb.GetBulkInvitationTemplateRequest{})
			return err
		},
		"job": func(ctx context.Context) error {
			_, err := s.bulks().GetBulkInvitation(ctx, &pb.GetBulkInvitationRequest{Id: made.Id})
			return err
		},
		"operation": func(ctx context.Context) error {
			_, err := s.bulks().GetInviteUsersOperation(ctx, &pb.GetBulkInvitationRequest{Id: made.Id})
			return err
		},
		"results": func(ctx context.Context) error { _, err := s.bulkResults(ctx, made.Id); return err },
		"cancel": func(ctx context.Context) error {
			_, err := s.bulks().CancelBulkInvitation(ctx, &pb.CancelBulkInvitationRequest{Id: made.Id})
			return err
		},
	}
	stranger := s.bulkApp(t, s.other)
	for name, call := range calls {
		for who, ctx := range map[string]context.Context{"nobody": t.Context(), "an application that writes users": s.app(t, s.tenant, "User.ReadWrite.All"),
			"an application that reads": s.app(t, s.tenant, "User.Read.All")} {
			if err := call(ctx); !denied(err) {
				t.Errorf("%s lets in %s: %v", name, who, err)
			}
		}
		if strings.HasPrefix(name, "start") || name == "template" {
			continue
		}
		if err := call(stranger); !fault.Is(err, errorspb.Reason_NOT_FOUND) {
			t.Errorf("%s answers another tenant: %v", name, err)
		}
	}
	if err := calls["cancel"](admin); fault.From(err).Kind != fault.KindPrecondition {
		t.Errorf("cancel what has ended: %v", err)
	}
	if n := s.dir.Users(s.tenant.String()); n != 1 {
		t.Errorf("%d users", n)
	}
}
