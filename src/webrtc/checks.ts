/**
 * Lets ICE's connectivity checks reach far (RFC 8445, section 14.3): werift waits 1.5 s for an answer, in which a relay
 * 700 ms away has only just been told whom to let in. Importing this is enough, and changes werift for the whole
 * process. Read in and true of werift 0.25.2.
 */
import { Connection } from "werift";

/** Sent at 50, 150, 350, 750, 1,550 and 3,150 ms, and given up at 6,350 ms. */
const CHECK_RETRANSMISSIONS = 6;

const { prototype } = Connection;
const optionsOf: (pair: unknown) => { retransmissions?: number } = prototype["checkRequestOptions"];

prototype["checkRequestOptions"] = function (this: Connection, pair: unknown) {
  return { ...optionsOf.call(this, pair), retransmissions: CHECK_RETRANSMISSIONS };
};
