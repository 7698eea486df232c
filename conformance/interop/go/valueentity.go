// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"

	"adjoin.dev/interop/gen/valueentity"
	"github.com/cloudstateio/go-support/cloudstate/encoding"
	"github.com/cloudstateio/go-support/cloudstate/protocol"
	sdk "github.com/cloudstateio/go-support/cloudstate/value"
	"github.com/golang/protobuf/proto"
	"github.com/golang/protobuf/ptypes/any"
)

const valueEntityTwo = "cloudstate.tck.model.valueentity.ValueEntityTwo"

// cell answers its value.
type cell struct{ value string }

func newCell(sdk.EntityID) sdk.EntityHandler { return &cell{} }

func (c *cell) HandleCommand(ctx *sdk.Context, name string, command proto.Message) (*any.Any, error) {
	request, ok := command.(*valueentity.Request)
	if !ok {
		return nil, unknown(name, command)
	}
	// The SDK does not take back what a refused command put here.
	value := c.value
	for _, step := range request.GetActions() {
		var err error
		if value, err = do(ctx, step, value); err != nil {
			return nil, err
		}
	}
	c.value = value
	return encoding.MarshalAny(&valueentity.Response{Message: value})
}

func do(ctx *sdk.Context, step *valueentity.RequestAction, value string) (string, error) {
	if fail := step.GetFail(); fail != nil {
		return value, protocol.ClientError{Err: errors.New(fail.GetMessage())}
	}
	if update := step.GetUpdate(); update != nil {
		value = update.GetValue()
		return value, ctx.Update(encoding.MarshalAny(&valueentity.Persisted{Value: value}))
	}
	if step.GetDelete() != nil {
		ctx.Delete()
		return "", nil
	}
	if forward := step.GetForward(); forward != nil {
		payload, err := encoding.MarshalAny(&valueentity.Request{Id: forward.GetId()})
		if err != nil {
			return value, err
		}
		ctx.Forward(&protocol.Forward{ServiceName: valueEntityTwo, CommandName: "Call", Payload: payload})
	}
	if effect := step.GetEffect(); effect != nil {
		payload, err := encoding.MarshalAny(&valueentity.Request{Id: effect.GetId()})
		if err != nil {
			return value, err
		}
		ctx.SideEffect(&protocol.SideEffect{
			ServiceName: valueEntityTwo,
			CommandName: "Call",
			Payload:     payload,
			Synchronous: effect.GetSynchronous(),
		})
	}
	return value, nil
}

func (c *cell) HandleState(_ *sdk.Context, state *any.Any) error {
	persisted := &valueentity.Persisted{}
	if err := encoding.UnmarshalAny(state, persisted); err != nil {
		return err
	}
	c.value = persisted.GetValue()
	return nil
}

// silentCell answers nothing and stores nothing.
type silentCell struct{}

func newSilentCell(sdk.EntityID) sdk.EntityHandler { return silentCell{} }

func (silentCell) HandleCommand(*sdk.Context, string, proto.Message) (*any.Any, error) {
	return encoding.MarshalAny(&valueentity.Response{})
}

func (silentCell) HandleState(*sdk.Context, *any.Any) error { return nil }
