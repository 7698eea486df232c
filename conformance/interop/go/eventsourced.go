// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"

	"adjoin.dev/interop/gen/eventsourced"
	"github.com/cloudstateio/go-support/cloudstate/encoding"
	sdk "github.com/cloudstateio/go-support/cloudstate/eventsourced"
	"github.com/cloudstateio/go-support/cloudstate/protocol"
	"github.com/golang/protobuf/proto"
)

const eventSourcedTwo = "cloudstate.tck.model.EventSourcedTwo"

// textLog answers all that was persisted, joined.
type textLog struct{ text string }

func newLog(sdk.EntityID) sdk.EntityHandler { return &textLog{} }

func (l *textLog) HandleCommand(ctx *sdk.Context, name string, command proto.Message) (proto.Message, error) {
	request, ok := command.(*eventsourced.Request)
	if !ok {
		return nil, unknown(name, command)
	}
	for _, step := range request.GetActions() {
		if err := l.do(ctx, step); err != nil {
			return nil, err
		}
	}
	return &eventsourced.Response{Message: l.text}, nil
}

func (l *textLog) do(ctx *sdk.Context, step *eventsourced.RequestAction) error {
	if emit := step.GetEmit(); emit != nil {
		ctx.Emit(&eventsourced.Persisted{Value: emit.GetValue()})
	}
	if fail := step.GetFail(); fail != nil {
		return errors.New(fail.GetMessage())
	}
	if forward := step.GetForward(); forward != nil {
		payload, err := encoding.MarshalAny(&eventsourced.Request{Id: forward.GetId()})
		if err != nil {
			return err
		}
		ctx.Forward(&protocol.Forward{ServiceName: eventSourcedTwo, CommandName: "Call", Payload: payload})
	}
	if effect := step.GetEffect(); effect != nil {
		payload, err := encoding.MarshalAny(&eventsourced.Request{Id: effect.GetId()})
		if err != nil {
			return err
		}
		ctx.Effect(&protocol.SideEffect{
			ServiceName: eventSourcedTwo,
			CommandName: "Call",
			Payload:     payload,
			Synchronous: effect.GetSynchronous(),
		})
	}
	return nil
}

func (l *textLog) HandleEvent(_ *sdk.Context, event interface{}) error {
	persisted, ok := event.(*eventsourced.Persisted)
	if !ok {
		return unknown("event", event)
	}
	l.text += persisted.GetValue()
	return nil
}

func (l *textLog) Snapshot(*sdk.Context) (interface{}, error) {
	return &eventsourced.Persisted{Value: l.text}, nil
}

func (l *textLog) HandleSnapshot(_ *sdk.Context, snapshot interface{}) error {
	l.text = ""
	return l.HandleEvent(nil, snapshot)
}

// silentLog answers nothing and persists nothing.
type silentLog struct{}

func newSilentLog(sdk.EntityID) sdk.EntityHandler { return silentLog{} }

func (silentLog) HandleCommand(*sdk.Context, string, proto.Message) (proto.Message, error) {
	return &eventsourced.Response{}, nil
}

func (silentLog) HandleEvent(_ *sdk.Context, event interface{}) error { return unknown("event", event) }

func unknown(name string, message interface{}) error {
	return fmt.Errorf("%s: there is no %T here", name, message)
}
