/**
 * Every bound of the service, with its arithmetic. The environment changes a few of them (`config/`).
 */
export const LIMITS = {
  /** RTP packets queued per speaker while the thread is busy: 64 x 20 ms = 1.3 s. */
  rtpInboxPackets: 64,
  /** RTP packets accepted from a speaker per second, or at once: the shortest, of 2.5 ms, are 400 a second. */
  rtpPacketsPerSecond: 500,
  /** Packets held back for a missing one before it counts as lost: 5 x 20 ms = 100 ms. */
  playoutTargetPackets: 5,
  /** Longest run of missing packets marked lost one by one; a longer gap is silence. 50 x 20 ms = 1 s. */
  playoutMaxPackets: 50,
  /** Encoded audio kept from before a voice starts. */
  preRollMs: 400,
  /** Audio passed on after a voice stops, so that the recogniser finishes its last words. */
  voiceTailMs: 1_200,
  /**
   * Speech kept per speaker until speech-to-text has acknowledged it. Beyond it the oldest is dropped: the one place
   * where live audio is lost. Encoded: 500 packets of 20 ms and 100 bytes are 50 KB.
   */
  speechMs: 10_000,
  /** Packets of that speech, for publishers that send shorter ones: 10 s of 10 ms. */
  speechFrames: 1_000,
  /** Bytes of that speech: 10 s at 100 kbit/s, three times the usual bit rate. */
  speechBytes: 125_000,
  /** The same of PCM, which is kept in 16-bit samples: 10 s at 48 kHz, the highest rate of any recogniser. */
  speechPcmBytes: 960_000,
  /** The same of a recorder: 10 s at 256 kbit/s, twice what browsers choose. */
  speechContainerBytes: 320_000,
  /** Requests to a speaker's source without a reply: a second of PCM in messages of 20 ms, and a margin. */
  sourceRequests: 64,
  /** Bytes of these: 0.6 s of 48 kHz stereo in 16-bit samples. */
  sourceRequestBytes: 128 * 1024,
  /** Older speech is not sent any more: a cold start of two minutes and a margin. */
  speechAgeMs: 150_000,
  /** Bytes in our own socket buffer towards speech-to-text: 2 s of 24 kHz float32 is 192 KB. */
  sttBufferedBytes: 192_000,
  /** Provider events queued for the captioning engine, and messages queued to be decoded into events. */
  sttEvents: 50,
  /** Memory of either: four of the largest messages (64 KB), at two bytes a character. Most hold a word. */
  sttEventBytes: 512 * 1024,
  /** Characters of one provider event: an unsettled hypothesis of 18 minutes at 15 a second. A longer one ends the session. */
  sttTextChars: 16_000,
  /**
   * Provider events of one speaker: an acknowledgement every 80 ms and 12 pieces of words are 25 a second; nobody speaks
   * four times as fast. At once: those of 40 s, ten of them kept here, the others in a server that stalled.
   */
  sttEventsPerS: 100,
  sttEventsAtOnce: 1_000,
  /** Characters of these events: a hypothesis of nine minutes every 80 ms; and at once, after a stall. */
  sttCharsPerS: 100_000,
  sttCharsAtOnce: 500_000,
  /** Utterances of one speaker, each sent to every viewer: two a second are one word each. At once: those of 40 s. */
  sttFinalsPerS: 3,
  sttFinalsAtOnce: 100,
  /**
   * Later words than this after the last voice was sent belong to no voice: a recogniser may be 10 s behind (a
   * sentence-at-a-time model on a busy GPU), and 2 s are for the network and the rest of the sentence.
   */
  sttWordsBehindMs: 12_000,
  /** Words to expect of one session; recognisers take some hundred. */
  expectedWords: 200,
  expectedWordChars: 80,
  /** A session without voice is kept open this long. */
  sttWarmMs: 30_000,
  /** A cold GPU container takes up to two minutes to answer. */
  sttOpenTimeoutMs: 120_000,
  /** Trailing silence that makes a recogniser emit its last word. */
  sttFlushMs: 1_000,
  /** Finals queued per session; of the partials only each speaker's newest. */
  outboxFinals: 128,
  /** Concurrent translations; a self-hosted translator seldom does more. */
  translationsAtOnce: 4,
  /** Queued translations: some seconds of the speech of all sessions together. */
  translationQueue: 64,
  /** Translations cached, and all their texts together: greetings repeat, lectures do not. */
  translationCacheEntries: 1_000,
  translationCacheChars: 200_000,
  /** Finals of one session awaiting their translation into one language; a person speaks one in some seconds. */
  translationsPending: 32,
  /** Past this a final is sent untranslated: the slowest provider's 10 s and a margin. */
  translationWaitMs: 12_000,
  /** Viewers of one session who asked for captions, connected or not; past it the oldest who is not connected is removed. */
  pendingViewers: 1_000,
  /** The same of all sessions: 20 for each of 1,000 speakers. With ids of up to 512 characters 1.5 KB each: 30 MB. */
  viewers: 20_000,
  /** Sessions at once; each holds a socket. */
  sessions: 500,
  /** Speakers of all sessions: 1,000 x 0.6 MB and the service's own 0.2 GB are 0.8 GB; all talking at once take more than two cores. */
  speakers: 1_000,
  speakersPerSession: 500,
  /** At 42 to 57 us a packet and 50 packets a second this many nearly fill a core. */
  speakersPerWorker: 350,
  /**
   * Speakers whose subscription is being set up. One costs 8 to 22 ms of CPU and takes 0.2 to 0.3 s, mostly of waiting:
   * 20 at once are some 70 a second, so 100 are received after 1.5 s, and at most 0.44 s of work is under way.
   */
  joinsAtOnce: 20,
  /** Local addresses for media: bound to, a socket each until the SFU has chosen one; or offered, a check each. */
  mediaAddresses: 4,
  /** An SFU that sends an offer sends it within this. Waiting costs no CPU and delays no other speaker. */
  joinOfferMs: 1_500,
  /** The same after an earlier request failed: an SFU with a publisher offers at once, one without is asked again. */
  joinOfferAgainMs: 500,
  /** From the offer to the connection, ICE over a relay included; past it the next speaker starts too. */
  joinConnectMs: 4_000,
  /** No new speaker is admitted above this share of the available memory ... */
  memoryTightShare: 0.8,
  /** ... until usage is below this one: far enough apart for garbage collection not to toggle it. */
  memoryFreeShare: 0.75,
  /** Interval of memory checks: 100 speakers who join within it are 60 MB. */
  memoryLookMs: 1_500,
  /** Interval of file descriptor checks, of 500 microseconds each. */
  descriptorsLookMs: 1_500,
  /** A connected speaker: two UDP sockets (IPv4 and IPv6; one once the SFU has chosen) and speech-to-text. */
  descriptorsPerSpeakerIn: 3,
  /** A connecting speaker: a UDP socket for each of mediaAddresses, a connection to a TURN server, speech-to-text. */
  descriptorsPerSpeaker: 6,
  /**
   * Descriptors reserved: 25 for Deno and its threads, and 75 for reconnecting speakers, signalling, translators,
   * Nextcloud, name resolution and the state file.
   */
  descriptorsKeptBack: 100,
  /** A session without viewers ends after this. */
  emptySessionMs: 60_000,
  /** A connection without RTP for this long is broken: a muted track still sends packets. */
  rtpSilenceMs: 5_000,
  /** ICE candidates kept for an offer that has not arrived. */
  earlyCandidates: 32,
  /**
   * Addresses of one ICE generation that are checked, and trickled candidates taken for one offer. An SFU has one or two
   * on each of its networks. Each costs at most seven checks of 120 bytes from each local address.
   */
  candidatesPerOffer: 16,
  /** A candidate line with every extension in use is under 300 characters. */
  candidateChars: 1_024,
  /** An SFU's offer with every codec of audio and video and its candidates is under 10 KB. */
  sdpChars: 32 * 1024,
  /** Media sections of an offer: audio, video, data, and as many again that were removed. Each is declined by a copy. */
  sdpSections: 16,
  /** The name of a subscription: Janus' has up to 20 digits. */
  sidChars: 64,
  /**
   * Between two renegotiations of a speaker's connection. Toggling the camera makes one or two; audio continues
   * meanwhile. Each costs some ms, so constant renegotiation takes some thousandths of a core.
   */
  renegotiateMs: 1_000,
  /** Voice sessions at once; each holds a WebSocket. */
  voiceSessions: 200,
  /** That one user may begin in a minute. */
  voiceSessionsAMinute: 10,
  /** A voice session without a message for this long is closed. */
  voiceIdleMs: 30_000,
  /** REST body. */
  httpBodyBytes: 64 * 1024,
  /** Head of a REST request: what nginx and Node take. */
  httpHeadBytes: 16 * 1024,
  /** Connections to the REST API, some 50 KB each; clients hold one for the length of a request. */
  httpConnections: 256,
  /** Responses of server-sent events, each of a reader of a live transcript. */
  httpStreams: 500,
  /** Proxies close a connection without traffic after 60 s. */
  httpStreamIdleMs: 20_000,
  /** WebSockets of all routes together, which have bounds of their own: each is a speaker of the voice door. */
  httpSockets: 500,
  /** WebSockets above a door's sessions: it refuses them by its own protocol, which says more than 503. */
  httpSocketsSpare: 100,
  /** Sent on a WebSocket and not taken by the kernel, which takes megabytes: captions of minutes. */
  socketSendBytes: 64 * 1024,
  /** A client without a sign of life between two pings is gone. Mobile networks forget an idle connection after minutes. */
  socketPingMs: 30_000,
  /** For the client's close frame. */
  socketCloseMs: 2_000,
  /** From the connection to the end of the request's head, which is one packet. */
  httpHeadMs: 10_000,
  /** For the client to read a response: the largest is some 100 KB. */
  httpSendMs: 30_000,
  /** Wrong credentials of one address in a minute that are answered at once: a front end with an old token, a typo. */
  guessesFree: 10,
  /** Of all addresses together. */
  guessesFreeOfAll: 100,
  /** Later ones are answered after this, within the 3 s that front ends wait: 128 a second on all connections. */
  guessHoldMs: 2_000,
  /** Addresses whose wrong credentials are counted: some 100 bytes each. */
  guessSources: 1_000,
  /** For the client to hang up after the response. */
  httpLingerMs: 2_000,
  /** From SIGTERM to exit: the two below, 1 s to close sockets and media workers, and 0.6 s for a busy machine. */
  drainMs: 5_000,
  /** To recognise and translate what was received. */
  drainWordsMs: 2_900,
  /** To end the sessions. */
  drainGoodbyeMs: 500,
  /** Interval of a speaker's partials. */
  partialIntervalMs: 300,
  /** An utterance of settled words ends after this long without words or voice; one still revised gets more time. */
  utteranceSilenceMs: 700,
  /**
   * An utterance wider than this ends at the next clause end: two lines of 42 letters, as broadcasters have it; a
   * Chinese, Japanese or Korean character counts as two, which makes 42 of them.
   */
  utteranceClauseColumns: 84,
  /** Characters of one caption, far more than a window shows: a minute of speech without a pause. */
  utteranceChars: 1_000,
  /** An utterance ends at this age while its speaker continues; otherwise the silence ends it. */
  utteranceMaxMs: 7_000,
} as const;
