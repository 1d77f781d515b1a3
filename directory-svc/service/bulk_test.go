package service_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	pb "entente.dev/proto/gen/entente/directory/v1"
	errorspb "entente.dev/proto/gen/entente/errors/v1"
	odatapb "entente.dev/proto/gen/entente/odata/v1"
)

func (h *home) bulk() pb.BulkOperationServiceClient {
	return pb.NewBulkOperationServiceClient(h.gateway)
}

func (h *home) startBulk(ctx context.Context, kind, group, content string) (*pb.BulkOperation, error) {
	stream, err := h.bulk().StartBulkOperation(ctx)
	if err != nil {
		return nil, err
	}
	err = stream.Send(&pb.StartBulkOperationRequest{Kind: kind, GroupId: group})
	for err == nil && content != "" {
		n := min(len(content), 64<<10)
		err = stream.Send(&pb.StartBulkOperationRequest{Content: []byte(content[:n])})
		content = content[n:]
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return stream.CloseAndRecv()
}

// finished waits until an operation has ended.
func (h *home) finished(id string) *pb.BulkOperation {
	h.t.Helper()
	deadline := time.After(time.Minute)
	for {
		o, err := h.bulk().GetBulkOperation(h.ctx, &pb.GetBulkOperationRequest{Id: id})
		h.must(err)
		if o.CompletedDateTime != nil {
			return o
		}
		select {
		case <-deadline:
			h.t.Fatalf("not finished: %v", o)
		case <-h.t.Context().Done():
			h.t.Fatal("ended")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (h *home) results(id string) string {
	h.t.Helper()
	stream, err := h.bulk().GetBulkOperationResults(h.ctx, &pb.GetBulkOperationResultsRequest{Id: id})
	h.must(err)
	var b strings.Builder
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		h.must(err)
		b.Write(m.Data)
	}
}

func (h *home) template(kind string) string {
	h.t.Helper()
	got, err := h.bulk().GetBulkOperationTemplate(h.ctx, &pb.GetBulkOperationTemplateRequest{Kind: kind})
	h.must(err)
	return string(got.Data)
}

func TestAC54_BulkCreate(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	const secret = "Xk4!rm-qp92Zt"
	file := h.template("createUsers") + "Example: Chris Green,chris@contoso.com,x,No\n"
	const rows = 1000
	for i := range rows {
		name, password, block := fmt.Sprintf("u%d@%s", i, h.domain), secret, "No"
		switch i {
		case 10:
			password = "short"
		case 20:
			name = "u1@" + h.domain // taken
		case 30:
			block = "maybe"
		}
		file += fmt.Sprintf("\"User, %d\",%s,%s,%s,,,=cmd()\n", i, name, password, block)
	}
	started, err := h.startBulk(h.ctx, "createUsers", "", file)
	h.must(err)
	if started.TotalCount != rows {
		t.Errorf("%v", started)
	}
	o := h.finished(started.Id)
	if o.Status != pb.BulkOperation_completedWithErrors || o.SuccessCount != rows-3 || o.FailureCount != 3 {
		t.Errorf("%v", o)
	}
	results := h.results(o.Id)
	if strings.Contains(results, secret) || strings.Contains(results, "short") {
		t.Error("a password is in the results")
	}
	if n := strings.Count(results, "Failure"); n != 3 || !strings.Contains(results, "userPrincipalName already exists") || !strings.Contains(results, "'=cmd()") {
		t.Errorf("%d failures in %.600s", n, results)
	}
	names, _, err := h.list(&odatapb.Query{Filter: "displayName eq 'User, 500'"})
	if err != nil || len(names) != 1 {
		t.Errorf("%v, %v", names, err)
	}
	for _, wrong := range []string{"", "version:v2\n", strings.Replace(file, "Name [displayName] Required", "Name", 1), h.template("createUsers") + "\"open\n"} {
		_, err := h.startBulk(h.ctx, "createUsers", "", wrong)
		wantReason(t, err, errorspb.Reason_PROPERTY_INVALID)
	}
	all, err := h.bulk().ListBulkOperations(h.ctx, &pb.ListBulkOperationsRequest{})
	if err != nil || len(all.Value) != 1 {
		t.Errorf("%v, %v", all.GetValue(), err)
	}
	ann := h.user("ann")
	_, err = h.startBulk(h.person(ann.Id), "createUsers", "", file)
	wantReason(t, err, errorspb.Reason_ACCESS_DENIED)
}

func TestBulkDeleteAndRestore(t *testing.T) {
	t.Parallel()
	h := start(t).tenant("contoso", pb.Tenant_workforce)
	ann := h.user("ann")
	started, err := h.startBulk(h.ctx, "deleteUsers", "", h.template("deleteUsers")+ann.GetUserPrincipalName()+"\n ben@"+h.domain+"\nnobody@"+h.domain+"\n")
	h.must(err)
	if o := h.finished(started.Id); o.SuccessCount != 1 || o.FailureCount != 2 {
		t.Errorf("%v", o)
	}
	started, err = h.startBulk(h.ctx, "restoreUsers", "", h.template("restoreUsers")+ann.Id+"\n")
	h.must(err)
	if o := h.finished(started.Id); o.Status != pb.BulkOperation_completed {
		t.Errorf("%v\n%s", o, h.results(o.Id))
	}
	export, err := h.startBulk(h.ctx, "exportUsers", "", "")
	h.must(err)
	h.finished(export.Id)
	if csv := h.results(export.Id); !strings.Contains(csv, ann.GetUserPrincipalName()+",ann,") || strings.Count(csv, "\n") != 3 {
		t.Errorf("%s", csv)
	}
}

func TestBulkMembers(t *testing.T) {
	t.Parallel()
	s := start(t)
	h, other := s.tenant("contoso", pb.Tenant_workforce), s.tenant("fabrikam", pb.Tenant_workforce)
	ann, ben, team := h.user("ann"), h.user("ben"), h.securityGroup("team")
	file := h.template("importMembers") + ann.Id + "\n" + ben.GetUserPrincipalName() + "\n" + other.user("eve").Id + "\n"
	_, err := h.startBulk(h.ctx, "importMembers", "", file)
	wantReason(t, err, errorspb.Reason_PROPERTY_REQUIRED)
	started, err := h.startBulk(h.ctx, "importMembers", team.Id, file)
	h.must(err)
	if o := h.finished(started.Id); o.SuccessCount != 2 || o.FailureCount != 1 {
		t.Errorf("%v\n%s", o, h.results(o.Id))
	}
	_, err = other.bulk().GetBulkOperation(other.ctx, &pb.GetBulkOperationRequest{Id: started.Id})
	wantReason(t, err, errorspb.Reason_NOT_FOUND)
	started, err = h.startBulk(h.ctx, "removeMembers", team.Id, h.template("removeMembers")+ann.Id+"\n")
	h.must(err)
	h.finished(started.Id)
	members, err := pb.NewGroupServiceClient(h.gateway).ListMembers(h.ctx, &pb.ListGroupRelationRequest{Id: team.Id})
	if err != nil || len(members.Value) != 1 || members.Value[0].GetUser().GetId() != ben.Id {
		t.Errorf("%v, %v", members.GetValue(), err)
	}
}
