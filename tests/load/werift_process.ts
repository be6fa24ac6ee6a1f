/**
 * A receiver as anyone would write it with werift, to measure the service beside: plain peer connections, and every packet
 * decoded to 24 kHz mono. Nothing of src is in it; no speech-to-text. A process of its own:
 *
 *     deno run -A tests/load/werift_process.ts PORT ADDRESS
 *
 * ADDRESS is the machine's own, the only one connections use. POST /offers takes an SDP offer and gives the answer and
 * its id, POST /candidates?ID a candidate of the SFU's; GET /numbers tells `WeriftNumbers`.
 */
import { createDecoder } from "libopus-wasm";
import { Connection, RTCPeerConnection } from "werift";

export interface WeriftNumbers {
  /** Connections established now. */
  connected: number;
  /** RTP packets that came out of werift. */
  received: number;
  /** Of them. */
  decoded: number;
}

export interface WeriftAnswer {
  id: number;
  sdp: string;
}

const SAMPLE_RATE_HZ = 24_000;

const connections: RTCPeerConnection[] = [];
let received = 0;
let decoded = 0;

async function answer(sdp: string, address: string): Promise<WeriftAnswer> {
  const decoder = await createDecoder({ sampleRate: SAMPLE_RATE_HZ, channels: 1 });
  const connection = new RTCPeerConnection({
    iceServers: [],
    iceUseIpv4: false,
    iceUseIpv6: false,
    iceAdditionalHostAddresses: [address],
    iceInterfaceAddresses: { udp4: address },
  });
  const id = connections.push(connection) - 1;
  connection.onTrack.subscribe((track) =>
    track.onReceiveRtp.subscribe(({ payload }) => {
      received++;
      decoder.decodeFloat(payload);
      decoded++;
    })
  );
  await connection.setRemoteDescription({ type: "offer", sdp });
  for (const { connection: ice } of connection.iceTransports) {
    // Without a server of ours werift asks a public one, and waits for it.
    if (ice instanceof Connection) ice.stunServer = undefined;
  }
  await connection.setLocalDescription(await connection.createAnswer());
  return { id, sdp: connection.localDescription?.sdp ?? "" };
}

function numbers(): WeriftNumbers {
  const connected = connections.filter(({ connectionState }) => connectionState === "connected").length;
  return { connected, received, decoded };
}

if (import.meta.main) {
  const [port, address] = Deno.args;
  Deno.serve({ hostname: "127.0.0.1", port: Number(port), onListen: () => {} }, async (request) => {
    const { pathname, search } = new URL(request.url);
    if (pathname === "/offers") return Response.json(await answer(await request.text(), address));
    if (pathname === "/candidates") {
      await connections[Number(search.slice(1))].addIceCandidate(await request.json());
    }
    return Response.json(numbers());
  });
}
