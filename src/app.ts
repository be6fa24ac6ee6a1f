/**
 * The composition root: makes every part from the configuration and hands each what it needs. Wiring only.
 */
import project from "../deno.json" with { type: "json" };
import { apiOf, workRequirement } from "./api.ts";
import { type ChosenProvider, type Config, isEasilyGuessed } from "./config/mod.ts";
import {
  ANYONE,
  AudioLedger,
  type Clock,
  codeOf,
  LIMITS,
  type Log,
  type Meter,
  type ProviderChoice,
  type SpeechToText,
  type TokenVerifier,
} from "./domain/mod.ts";
import { proxyFor, type ProxyRules, Scope, systemClock } from "./flow/mod.ts";
import { createHttpApp, type ListenAddress, serveHttp } from "./http/mod.ts";
import { JwtVerifier, type JwtVerifierOptions } from "./identity/mod.ts";
import { openKept } from "./kept.ts";
import { createOcs, NextcloudExApp, SignalingSettings, watchTunnel } from "./nextcloud/mod.ts";
import { type DoorParts, Sessions, SpokenLanguages, wordsTakenBy } from "./sessions/mod.ts";
import {
  AdmittingHost,
  collectGarbage,
  DescriptorWatch,
  type DescriptorWatchOptions,
  MemoryWatch,
  type ReadSystemFile,
  type SpawnWorker,
  startSpeakerHost,
} from "./speakers/mod.ts";
import { createSpeechToText, offeredLanguages, startSpeechToText, sttWaker } from "./stt/mod.ts";
import { TalkRooms, talkRoutes } from "./talk/mod.ts";
import { createLog, createMeter } from "./telemetry/mod.ts";
import { captionsPage, transcriptRoutes } from "./transcripts/mod.ts";
import { openTranslations } from "./translation/mod.ts";
import { voiceDoor } from "./voice/mod.ts";

export interface Service extends AsyncDisposable {
  /** Of /metrics. */
  readonly meter: Meter;
  /** Where the REST API listens. */
  readonly address: ListenAddress;
  /** Refuses new sessions, delivers captions of what was received, ends every session. Then dispose. */
  drain(): Promise<void>;
}

/** Replaced by tests. */
export interface Seams {
  readSystemFile?: ReadSystemFile;
  readDescriptors?: DescriptorWatchOptions["read"];
  spawnWorker?: SpawnWorker;
  clock?: Clock;
  tokenVerifier?: TokenVerifier;
}

/** Starts the service; rejects when it cannot listen, and with ConfigError for what only its parts can check. */
export async function startService(
  config: Config,
  log: Log = createLog({ level: config.log.level }),
  seams: Seams = {},
): Promise<Service> {
  const scope = new Scope("service");
  try {
    return await start(config, log, seams, scope);
  } catch (error) {
    await scope[Symbol.asyncDispose]();
    throw error;
  }
}

async function start(config: Config, log: Log, seams: Seams, scope: Scope): Promise<Service> {
  const clock = seams.clock ?? systemClock;
  const meter = scope.use(createMeter());
  const ledger = new AudioLedger();
  scope.use(meter.totals("tiro_audio_packets_total", "RTP packets by fate", "fate", () => ledger.packets()));
  scope.use(
    meter.totals("tiro_audio_seconds_total", "Seconds of audio by fate", "fate", () => ledger.seconds()),
  );
  const proxies = proxyRules(config);
  const tls = { ...config.tls, proxies };
  const peerTls = { caCerts: config.tls.caCerts, proxies };
  const { choices: sttChoices, started } = await startSpeechToText(config.stt.providers.map(choiceOf), {
    scope: scope.child("recogniser"),
    clock,
    log,
    meter,
  });
  const recognisers = sttChoices.map((each) => createSpeechToText(each, { meter, clock, tls: peerTls }));
  const languages = new SpokenLanguages({
    stt: offeredLanguages(recognisers),
    wantedDefault: config.captions.defaultLanguage,
    log,
    meter,
  });
  languages.keepAsking({ scope: scope.child("languages"), clock });
  reportRisks(config, log);
  reportProxies(config, proxies, log);
  const workers = config.media.workers ?? workersFor(config.limits.speakers);
  const pipelines = await startSpeakerHost({
    workers,
    settings: {
      stt: { providers: sttChoices, tls: peerTls },
      chunkMs: config.stt.chunkMs,
      partials: config.captions.partials,
      words: config.captions.words,
      network: {
        interfaceAddresses: config.media.addresses,
        portRange: config.media.ports,
        udp: config.media.udp,
        caCerts: config.tls.caCerts,
      },
      opus: config.media.opus,
      debugLog: config.log.level === "debug",
    },
    ledger,
    scope: scope.child("speakers"),
    clock,
    log,
    meter,
    spawn: seams.spawnWorker,
  });
  const speakersMax = Math.min(config.limits.speakers, Math.max(workers, 1) * LIMITS.speakersPerWorker);
  const isVoice = (config.voice.issuer ?? config.voice.secret) !== undefined;
  const descriptors = new DescriptorWatch({
    scope: scope.child("descriptors"),
    clock,
    log,
    meter,
    sessions: config.limits.rooms,
    // Workers have descriptors of their own, and report them.
    speakers: workers === 0 ? speakersMax : 0,
    webSockets: isVoice ? config.voice.sessions + LIMITS.httpSocketsSpare : 0,
    streams: config.records.transcripts === "off" ? 0 : LIMITS.httpStreams,
    read: seams.readDescriptors,
  });
  const host = new AdmittingHost({
    host: pipelines,
    speakersMax,
    descriptors: workers === 0 ? descriptors : {
      get isTight() {
        return descriptors.isTight;
      },
    },
    memory: new MemoryWatch({
      scope: scope.child("memory"),
      clock,
      log,
      meter,
      readFile: seams.readSystemFile,
    }),
    scope,
    meter,
  });
  const identity = config.exApp && { ...config.exApp, secret: config.exApp.secret.reveal() };
  const ocs = config.talk &&
    createOcs({ nextcloudUrl: config.talk.nextcloudUrl, exApp: identity, tls, clock, log, meter });
  const translations = config.translation && openTranslations(choiceOf(config.translation), {
    nextcloud: identity && ocs && { ocs, appId: identity.id },
    tls: peerTls,
    scope: scope.child("translation"),
    clock,
    log,
    meter,
  });
  const wakeStt = sttWaker({ stt: recognisers[0], scope: scope.child("waking"), clock, log });
  const kept = openKept(config, { scope, clock, log, meter });
  const sessions = new Sessions({
    host,
    admission: host,
    observers: kept?.observers,
    translations,
    wordsTaken: wordsTakenBy(recognisers),
    sessionsMax: config.limits.rooms,
    speakersPerSessionMax: config.limits.speakersPerRoom,
    scope: scope.child("sessions"),
    clock,
    log,
    meter,
  });
  const rooms = config.talk && ocs && new TalkRooms({
    ...config.talk,
    internalSecret: config.talk.internalSecret.reveal(),
    tls,
    languages,
    sessions,
    settings: scope.use(new SignalingSettings({ ocs, clock, log })),
    identitiesWanted: { name: kept?.transcripts !== undefined, userId: kept?.audit !== undefined },
    emptyRoomMs: config.limits.emptyRoomMs,
    scope: scope.child("rooms"),
    clock,
    log,
    meter,
    onWanted: wakeStt,
  });
  const exApp = config.exApp && ocs && new NextcloudExApp({
    ocs,
    storage: config.exApp.storage,
    onDisable: () => {
      rooms?.leaveAll();
      for (const door of doors) door.disable?.();
    },
    prepare: (signal) => tryStt(recognisers, log, signal),
    scope: scope.child("exapp"),
    clock,
    log,
  });
  let draining = false;
  const acceptingWork = () => !draining;
  const requireWork = workRequirement({ exApp, acceptingWork });
  const version = config.exApp?.version ?? project.version;
  const parts: DoorParts = { sessions, requireWork, scope: scope.child("doors"), clock, log, meter };
  const verifier = seams.tokenVerifier ?? tokenVerifier(config, { tls: peerTls, scope, clock, log, meter });
  // A line for each door.
  const doors = [
    ...rooms ? [talkRoutes({ rooms, translations, version, ...parts })] : [],
    voiceDoor({
      verifier,
      languages,
      transcripts: config.records.transcripts,
      transcriptOf: (about) => kept?.linkOf(about),
      idleMs: config.voice.idleMs,
      sessionsAMinute: config.voice.sessionsAMinute,
      sessionsMax: config.voice.sessions,
      onRefused: (about, durationMs) => kept?.audit?.refused(about, durationMs),
      onWanted: wakeStt,
      version,
      ...parts,
    }),
    transcriptRoutes({ kept: kept?.transcripts, ...parts }),
    ...kept?.transcripts ? [captionsPage()] : [],
  ];
  const credentials = {
    token: config.auth.token?.reveal(),
    exApp: identity,
    users: isVoice ? verifier : undefined,
    viewers: kept?.transcripts?.keys,
  };
  const app = createHttpApp(
    apiOf({
      doors,
      memory: [host, ...started],
      host,
      recogniser: started.at(0),
      sessions,
      translations,
      records: kept?.records,
      exApp,
      credentials,
      version,
      meter,
      log,
      acceptingWork,
    }),
  );
  collectGarbage();
  const http = scope.child("http");
  const isTunnelled = config.http.unixSocket !== undefined;
  const { address } = await serveHttp({
    app: isTunnelled ? watchTunnel(app, { scope: http, clock, log }) : app,
    ...config.http,
    bounds: descriptors.http,
    scope: http,
    log,
    meter,
  });
  const { unixSocket: socket } = address;
  log.info("listening", {
    ...(socket === undefined ? address : { socket }),
    stt: recognisers.map(({ name }) => name).join(","),
  });
  return {
    meter,
    address,
    async drain() {
      draining = true;
      for (const door of doors) door.drain?.();
      const words = AbortSignal.timeout(LIMITS.drainWordsMs);
      const goodbyes = AbortSignal.timeout(LIMITS.drainWordsMs + LIMITS.drainGoodbyeMs);
      await sessions.drain(words, goodbyes);
    },
    [Symbol.asyncDispose]: () => scope[Symbol.asyncDispose](),
  };
}

/** Who may open voice sessions; undefined: nobody. */
function tokenVerifier(
  { voice, auth, exApp }: Config,
  parts: Pick<JwtVerifierOptions, "tls" | "scope" | "clock" | "log" | "meter">,
): TokenVerifier | undefined {
  const { issuer, audience, secret } = voice;
  if (issuer !== undefined || secret) {
    return new JwtVerifier({ issuer, audience, secret: secret?.reveal(), ...parts });
  }
  // The API is open too.
  if (!auth.token && !exApp) return { verify: () => Promise.resolve({ userId: ANYONE }) };
  return undefined;
}

/** One for each core, but no more than the speakers need: each takes some 30 MB. */
function workersFor(speakers: number): number {
  return Math.min(navigator.hardwareConcurrency, Math.ceil(speakers / LIMITS.speakersPerWorker));
}

/** Opens a session of one recogniser and closes it: what has to work before Nextcloud enables the ExApp. */
async function tryStt(recognisers: readonly SpeechToText[], log: Log, signal: AbortSignal): Promise<void> {
  let failure: unknown;
  for (const stt of recognisers) {
    try {
      await stt.askLanguages?.(signal);
      const session = await stt.open({ languageId: stt.languages[0].id }, signal);
      return await session[Symbol.asyncDispose]();
    } catch (error) {
      signal.throwIfAborted();
      if (recognisers.length > 1) {
        log.warn("recogniser not usable", { provider: stt.name, code: codeOf(error) });
      }
      failure ??= error;
    }
  }
  throw failure;
}

function choiceOf({ provider, settings }: ChosenProvider): ProviderChoice {
  return { provider, settings: settings.reveal() };
}

function proxyRules({ proxies: { http, https, except } }: Config): ProxyRules {
  return { http: http?.reveal(), https: https?.reveal(), except };
}

function reportRisks({ talk, tls, tunnel }: Config, log: Log): void {
  if (talk && isEasilyGuessed(talk.internalSecret.reveal())) {
    log.warn(
      "LT_INTERNAL_SECRET is easily guessed, and who has it may join every call: set a longer one, here and in the HPB",
    );
  }
  if (tls.skipVerify) {
    log.warn(
      "SKIP_CERT_VERIFY is on: any certificate is accepted from the HPB and Nextcloud, see LT_CA_CERTS",
    );
  }
  if (tunnel.isNamedOnly) {
    log.warn("HP_FRP_ADDRESS is set without HP_SHARED_KEY: listening on a port, and not for HaRP's tunnel");
  }
}

/** Logs which peers are reached through a proxy: an operator who did not mean that sets NO_PROXY. */
function reportProxies(
  { talk, voice, stt, translation, proxies }: Config,
  rules: ProxyRules,
  log: Log,
): void {
  const isProxied = (address: string | undefined) =>
    address !== undefined && proxyFor(new URL(address), rules) !== undefined;
  const peers = {
    signaling: [talk?.hpbUrl],
    nextcloud: [talk?.nextcloudUrl],
    issuer: [voice.issuer],
    recogniser: stt.providers.map(({ address }) => address),
    translator: [translation?.address],
  };
  const proxied = Object.entries(peers).filter(([, addresses]) => addresses.some(isProxied));
  if (proxied.length > 0) {
    log.info("reached through a proxy, see NO_PROXY", { peers: proxied.map(([peer]) => peer).join(", ") });
  }
  for (const variable of proxies.unusable) {
    log.warn("not an HTTP proxy, so it is not used: name an http:// one", { variable });
  }
}
