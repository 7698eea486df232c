// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"adjoin.dev/interop/gen/action"
	sdk "github.com/cloudstateio/go-support/cloudstate/action"
	"github.com/cloudstateio/go-support/cloudstate/encoding"
	"github.com/cloudstateio/go-support/cloudstate/protocol"
	"github.com/golang/protobuf/proto"
)

const (
	actionModel = "cloudstate.tck.model.action.ActionTckModel"
	actionTwo   = "cloudstate.tck.model.action.ActionTwo"
)

// steps does what it is asked to, group by group.
type steps struct{}

func newSteps() sdk.EntityHandler { return steps{} }

func (steps) HandleCommand(ctx *sdk.Context, _ string, command proto.Message) error {
	// Of a stream only the first message is named, and the SDK hands the second on without it.
	name := ctx.Command().GetName()
	streams := name == "ProcessStreamedOut" || name == "ProcessStreamed"
	request, ok := command.(*action.Request)
	if !ok {
		return unknown(name, command)
	}
	var refused error
	for _, group := range request.GetGroups() {
		refused = take(ctx, group)
		if streams {
			// What is refused is told in the stream, which goes on.
			if err := ctx.Respond(refused); err != nil {
				return err
			}
			refused = nil
		}
	}
	if streams {
		// Else the SDK hands a command that streams out in once more.
		ctx.Cancel()
	}
	return refused
}

func take(ctx *sdk.Context, group *action.ProcessGroup) error {
	var refused error
	for _, step := range group.GetSteps() {
		if fail := step.GetFail(); fail != nil {
			refused = protocol.ClientError{Err: errors.New(fail.GetMessage())}
		}
		if reply := step.GetReply(); reply != nil {
			payload, err := encoding.MarshalAny(&action.Response{Message: reply.GetMessage()})
			if err != nil {
				return err
			}
			ctx.RespondWith(payload)
			refused = nil
		}
		if forward := step.GetForward(); forward != nil {
			payload, err := encoding.MarshalAny(&action.OtherRequest{Id: forward.GetId()})
			if err != nil {
				return err
			}
			ctx.Forward(&protocol.Forward{ServiceName: actionTwo, CommandName: "Call", Payload: payload})
			refused = nil
		}
		if effect := step.GetEffect(); effect != nil {
			payload, err := encoding.MarshalAny(&action.OtherRequest{Id: effect.GetId()})
			if err != nil {
				return err
			}
			ctx.SideEffect(&protocol.SideEffect{
				ServiceName: actionTwo,
				CommandName: "Call",
				Payload:     payload,
				Synchronous: effect.GetSynchronous(),
			})
		}
	}
	return refused
}

// silentSteps answers nothing.
type silentSteps struct{}

func newSilentSteps() sdk.EntityHandler { return silentSteps{} }

func (silentSteps) HandleCommand(ctx *sdk.Context, _ string, _ proto.Message) error {
	payload, err := encoding.MarshalAny(&action.Response{})
	if err != nil {
		return err
	}
	ctx.RespondWith(payload)
	return nil
}
