/**
 * Every bound of the service in one place, with its arithmetic. A module takes its bounds from here; `config/` lets
 * the environment change the few an operator has a reason to.
 */
export const LIMITS = {
  /** RTP packets waiting per speaker while its thread is busy: 64 x 20 ms = 1.3 s. */
  rtpInboxPackets: 64,
  /** RTP packets taken of a speaker in a second, or at once: the shortest, of 2.5 ms, are 400 a second. */
  rtpPacketsPerSecond: 500,
  /** Packets held back for a missing one before it is given up: 5 x 20 ms = 100 ms. */
  playoutTargetPackets: 5,
  /** Longest run of missing packets marked lost one by one; a longer hole is silence. 50 x 20 ms = 1 s. */
  playoutMaxPackets: 50,
  /** Encoded audio kept from before a voice starts. */
  preRollMs: 400,
  /** Audio passed on after a voice stops: lets the recogniser settle its last words. */
  voiceTailMs: 1_200,
  /**
   * Speech kept per speaker until speech-to-text has acknowledged it: how far that may be behind before words are lost.
   * The one place live audio is dropped. Encoded: 500 packets of 20 ms and 100 bytes are 50 KB.
   */
  speechMs: 10_000,
  /** Packets of that speech, for publishers who send shorter ones: 10 s of 10 ms. */
  speechFrames: 1_000,
  /** Bytes of that speech: 10 s at 100 kbit/s, three times what a call sends. */
  speechBytes: 125_000,
  /** The same of PCM, which is kept in 16-bit samples: 10 s at 48 kHz, the highest rate of any recogniser. */
  speechPcmBytes: 960_000,
  /** Requests to a speaker's source that have no reply yet: a second of PCM in messages of 20 ms, and some. */
  sourceRequests: 64,
  /** Speech that has waited this long is not worth saying any more: a cold start of two minutes and a margin. */
  speechAgeMs: 150_000,
  /** Bytes waiting in our own socket buffer towards speech-to-text: 2 s of 24 kHz float32 is 192 KB. */
  sttBufferedBytes: 192_000,
  /** Provider events waiting for the captioning engine; messages waiting to become some. */
  sttEvents: 50,
  /** Memory of either: four of the largest messages (64 KB), at two bytes a character. Most have a word. */
  sttEventBytes: 512 * 1024,
  /**
   * Text of one provider event, characters: a hypothesis of 18 minutes at 15 a second that was never settled. A session
   * that sends a longer one is replaced.
   */
  sttTextChars: 16_000,
  /**
   * Provider events of one speaker: an acknowledgement every 80 ms and 12 pieces of words are 25 a second, and four times
   * that is nobody's speech. At once: those of 40 s, ten of them kept here, the others in a server that stalled.
   */
  sttEventsPerS: 100,
  sttEventsAtOnce: 1_000,
  /** Characters of these events: a hypothesis of nine minutes every 80 ms; and at once, for those of a stall. */
  sttCharsPerS: 100_000,
  sttCharsAtOnce: 500_000,
  /**
   * Utterances of one speaker: two a second are one word each, and every one is sent to every listener. At once: what
   * was said in 40 s, caught up with.
   */
  sttFinalsPerS: 3,
  sttFinalsAtOnce: 100,
  /**
   * Words that come longer than this after the last voice was sent are of no voice: a recogniser may be 10 s behind
   * (a sentence-at-a-time model on a busy GPU), and 2 s are for the network and the rest of the sentence.
   */
  sttWordsBehindMs: 12_000,
  /** A session without voice is kept this long, then closed. */
  sttWarmMs: 30_000,
  /** A cold GPU container takes up to two minutes to answer. */
  sttOpenTimeoutMs: 120_000,
  /** Trailing silence that pushes the last word out of a recogniser. */
  sttFlushMs: 1_000,
  /** Finals waiting per room; of the partials only each speaker's newest waits. */
  outboxFinals: 128,
  /** Translations under way at once; a self-hosted translator seldom does more. */
  translationsAtOnce: 4,
  /** Translations waiting for a turn: some seconds of what all calls together say. */
  translationQueue: 64,
  /** Translations remembered, and all their texts together: greetings and yeses come again, lectures do not. */
  translationCacheEntries: 1_000,
  translationCacheChars: 200_000,
  /** Finals of one call awaiting their translation into one language; a person says one in some seconds. */
  translationsPending: 32,
  /** A final waits this long for its translation, then goes as it was said: the slowest provider's 10 s and a margin. */
  translationWaitMs: 12_000,
  /** Participants of one room who asked for captions, in it or not; past it the oldest who is not is forgotten. */
  pendingListeners: 1_000,
  /**
   * The same of all rooms: 20 for each of 1,000 speakers. A session id of Nextcloud has up to 512 characters, with the
   * HPB's and the language it is 1.5 KB: 30 MB.
   */
  listeners: 20_000,
  /** Rooms at once; each holds a socket to the HPB. */
  rooms: 500,
  /** Speakers of all rooms: 1,000 x 0.6 MB and 0.2 GB of the service's own are 0.8 GB; all talking at once take more than two cores. */
  speakers: 1_000,
  /** Speakers per room. */
  speakersPerRoom: 500,
  /** Speakers on one media worker: at 42 to 57 us a packet and 50 packets a second a core is nearly full there. */
  speakersPerWorker: 350,
  /**
   * Speakers whose subscription is being set up at once. One costs 8 to 22 ms of CPU and takes 0.2 to 0.3 s, most of it
   * waiting: 20 at once are some 70 a second, so 100 are heard in 1.5 s, and at most 0.44 s of work is under way.
   */
  joinsAtOnce: 20,
  /** Local addresses for media: bound to, a socket each until the SFU has chosen one; or offered, a check each. */
  mediaAddresses: 4,
  /** An offer that comes comes within this; who does not send one costs no CPU, and keeps no other waiting. */
  joinOfferMs: 1_500,
  /** The same of who was asked before in vain: an SFU with a publisher offers at once, and one without is asked again. */
  joinOfferAgainMs: 500,
  /** From the offer to the connection, ICE over a relay included; who takes longer may, beside the next. */
  joinConnectMs: 4_000,
  /** Past this share of the memory there is, no new speaker is taken ... */
  memoryTightShare: 0.8,
  /** ... until less than this is used: far enough apart for garbage collection not to switch it on and off. */
  memoryFreeShare: 0.75,
  /** Time between two looks at the memory: 100 speakers who join within it are 60 MB. */
  memoryLookMs: 1_500,
  /** Time between two looks at the file descriptors: a call of 500 microseconds. */
  descriptorsLookMs: 1_500,
  /** A speaker who is in: two UDP sockets (IPv4 and IPv6; one once the SFU has chosen) and speech-to-text. */
  descriptorsPerSpeakerIn: 3,
  /** A speaker who joins: a UDP socket for each of mediaAddresses, a connection to a TURN server, speech-to-text. */
  descriptorsPerSpeaker: 6,
  /**
   * Descriptors no new speaker is taken for: 25 of Deno and its threads, and 75 for speakers who are connected anew, the
   * HPB, translators, Nextcloud, names to look up and the state file.
   */
  descriptorsKeptBack: 100,
  /** A room without listeners is left after this. */
  emptyRoomMs: 60_000,
  /** RTP missing this long means trouble: a muted track still sends packets. */
  rtpSilenceMs: 5_000,
  /** ICE candidates kept for an offer that has not come. */
  earlyCandidates: 32,
  /**
   * Addresses of one ICE generation that are checked, and trickled candidates that are taken for one offer. An SFU has
   * one or two on each of its networks. Each address costs at most seven checks of 120 bytes from each of our own.
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
   * Between two renegotiations of a speaker's connection. Who toggles the camera makes one or two; audio goes on
   * meanwhile. Renegotiating costs some ms, so whoever does it all the time takes some thousandths of a core.
   */
  renegotiateMs: 1_000,
  /** REST body. */
  httpBodyBytes: 64 * 1024,
  /** Head of a REST request: what nginx and Node take. */
  httpHeadBytes: 16 * 1024,
  /** Connections to the REST API at once, some 50 KB each: callers hold one for a request, and no longer. */
  httpConnections: 256,
  /** From the connection to the end of the request's head, which is one packet. */
  httpHeadMs: 10_000,
  /** For the caller to read an answer: the largest is some 100 KB. */
  httpSendMs: 30_000,
  /** Wrong credentials of one address in a minute that are answered at once: a front end with an old token, a typo. */
  guessesFree: 10,
  /** Of all addresses together. */
  guessesFreeOfAll: 100,
  /** Later ones are answered after this, while Talk (3 s) still waits: 128 a second on all connections there may be. */
  guessHoldMs: 2_000,
  /** Addresses whose wrong credentials are counted: some 100 bytes each. */
  guessSources: 1_000,
  /** For the caller to hang up after the answer. */
  httpLingerMs: 2_000,
  /**
   * From SIGTERM to exit, whoever does not answer: the two below, 1 s in which sockets and media workers close
   * together, and 0.6 s for a busy machine.
   */
  drainMs: 5_000,
  /** To recognise and translate what was received. */
  drainWordsMs: 2_900,
  /** To leave the calls. */
  drainGoodbyeMs: 500,
  /** Newest partial per speaker this often. */
  partialIntervalMs: 300,
  /** An utterance of settled words ends after this long without words while nobody speaks; one still revised gets more time. */
  utteranceSilenceMs: 700,
  /**
   * An utterance past this width ends at the next clause end: two lines of 42 letters, as broadcasters have it; a
   * Chinese, Japanese or Korean character counts as two, which makes 42 of them.
   */
  utteranceClauseColumns: 84,
  /** Longest text of one caption, characters, far past what a window shows: a minute of speech without a pause. */
  utteranceChars: 1_000,
  /** An utterance ends at this age while its speaker goes on; afterwards the silence ends it. */
  utteranceMaxMs: 7_000,
} as const;
