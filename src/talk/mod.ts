/** The first door: Nextcloud Talk calls, joined through the High-Performance Backend. */
export { talkRoutes, type TalkServices } from "./api/handlers.ts";
export type { Rooms, RoomsStatus, TranscribeOutcome, TranscribeRequest } from "./api/rooms.ts";
export { TALK_API } from "./api/routes.ts";
export { type TalkOptions, TalkRooms } from "./rooms.ts";
