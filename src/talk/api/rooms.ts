/** The port from the REST API to the calls being captioned. */
import type { IceServer, Language, Refusal, SpeakerTrouble } from "../../domain/mod.ts";

export interface TranscribeRequest {
  roomToken: string;
  /** The listener's Nextcloud session id (not the HPB's). */
  ncSessionId: string;
  /** False takes the listener off. */
  enable: boolean;
  /** Language spoken in the room, in any spelling. */
  languageId: string;
  /** Language the listener wants captions in, in any spelling; null for the original, undefined to leave it as it is. */
  translationTargetId?: string | null;
  /** TURN servers Talk gave for this room, if any; used beside Nextcloud's own settings. */
  turnServers: readonly IceServer[];
}

export interface TranscribeOutcome {
  /** Why captions come in the language spoken although another was asked for; absent where none was. */
  untranslated?: string;
}

export interface RoomsStatus {
  rooms: number;
  speakers: number;
  listeners: number;
  /** False while the last attempts to reach the HPB failed and no new join is tried. */
  signalingReachable: boolean;
  /** The HPB refused the service's newest hello: its secret or its Nextcloud address does not fit. */
  signalingRefused: boolean;
  /** Why no new speaker is taken now; absent while they are. */
  refusal?: Refusal["code"];
  /** Speakers who cannot be captioned now, by why, and what is wrong with where they run; empty while all is well. */
  troubles: Partial<Record<SpeakerTrouble, number>>;
}

/**
 * Every method returns at once: joining, leaving and reconnecting go on behind it.
 * Throws InvalidRequestError, NotFoundError, UnavailableError.
 */
export interface Rooms {
  /** Languages speech can be recognised in. */
  readonly languages: readonly Language[];
  /** Language of a request that names none. */
  readonly defaultLanguageId: string;
  /** A target that cannot be had costs the translation, never the captions. */
  transcribe(request: TranscribeRequest): TranscribeOutcome;
  /** Takes the service out of a room; a room that is not there is left already. */
  leave(roomToken: string): void;
  /** NotFoundError when the service is not in that room. */
  setLanguage(roomToken: string, languageId: string): void;
  /**
   * Translates one listener's captions, or with null no longer. Also thrown: PreconditionError when the participant is
   * neither in the room nor asked for, and what Translations.resolveTarget throws.
   */
  setTranslationTarget(roomToken: string, ncSessionId: string, targetId: string | null): void;
  /** Takes the service out of every room. */
  leaveAll(): void;
  status(): RoomsStatus;
}
