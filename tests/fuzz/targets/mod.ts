/** All targets, in the order they run. */
import type { FuzzTarget } from "../target.ts";
import { opus, rtp } from "./audio.ts";
import { candidate } from "./candidate.ts";
import { container } from "./containers.ts";
import { frames } from "./frames.ts";
import { hpb } from "./hpb.ts";
import { environment, state } from "./environment.ts";
import { deepl, libretranslate, nextcloud, ocs } from "./translators.ts";
import { http, httpBytes } from "./http.ts";
import { deepgram, modal, pocketsphinx, realtime, vosk, whisperlive, whisperWs } from "./recognisers.ts";
import { segments, whisper } from "./whisper.ts";
import { udp } from "./udp.ts";
import { room, signaling } from "./room.ts";
import { offer } from "./offer.ts";
import { turn } from "./turn.ts";
import { handshake } from "./handshake.ts";
import { captions } from "./captions.ts";
import { models } from "./models.ts";
import { sockets } from "./sockets.ts";
import { voice } from "./voice.ts";
import { websocket } from "./websocket.ts";
import { sdp } from "./sdp.ts";
import { issuer, token, viewerKey } from "./tokens.ts";

export const TARGETS: readonly FuzzTarget[] = [
  udp,
  handshake,
  sdp,
  offer,
  turn,
  candidate,
  frames,
  websocket,
  hpb,
  signaling,
  room,
  modal,
  deepgram,
  vosk,
  whisperWs,
  whisperlive,
  pocketsphinx,
  whisper,
  realtime,
  segments,
  captions,
  opus,
  rtp,
  container,
  voice,
  http,
  httpBytes,
  sockets,
  environment,
  state,
  models,
  deepl,
  libretranslate,
  nextcloud,
  ocs,
  token,
  viewerKey,
  issuer,
];
