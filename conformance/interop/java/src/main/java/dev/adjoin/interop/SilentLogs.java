// SPDX-License-Identifier: Apache-2.0
package dev.adjoin.interop;

import dev.adjoin.interop.gen.EventSourcedModels.Request;
import dev.adjoin.interop.gen.EventSourcedModels.Response;
import io.cloudstate.javasupport.eventsourced.CommandHandler;
import io.cloudstate.javasupport.eventsourced.EventSourcedEntity;

/** Entities that answer nothing and persist nothing. */
public final class SilentLogs {
  private SilentLogs() {}

  /** Where forwards and effects go. */
  @EventSourcedEntity(persistenceId = "event-sourced-tck-model-two")
  public static final class Two {
    @CommandHandler
    public Response call(Request request) {
      return Response.getDefaultInstance();
    }
  }

  /** Would leave memory soon, had this SDK a word for it. */
  @EventSourcedEntity(persistenceId = "event-sourced-configured")
  public static final class Configured {
    @CommandHandler
    public Response call(Request request) {
      return Response.getDefaultInstance();
    }
  }
}
