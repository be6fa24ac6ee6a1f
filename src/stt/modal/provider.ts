/** Kyutai's speech-to-text model on Modal, or on any server that speaks the same protocol. */
import { requireVariables } from "../../domain/mod.ts";
import type { SttProvider } from "../provider.ts";
import { FEATURES, MODAL_LANGUAGES, type ModalSettings, modalStt } from "./speech_to_text.ts";

const ON_MODAL = "with STT_PROVIDER=modal and no STT_STREAM_URL";

export const modal: SttProvider<ModalSettings> = {
  name: "modal",
  chosenBy: ["MODAL_WORKSPACE", "MODAL_KEY", "MODAL_SECRET", "STT_STREAM_URL"],
  languages: MODAL_LANGUAGES,
  features: FEATURES,
  variables: [
    {
      name: "MODAL_WORKSPACE",
      kind: "dns_label",
      required: ON_MODAL,
      meaning: "Name of the Modal workspace that runs the recogniser",
      example: "my-workspace",
    },
    {
      name: "MODAL_KEY",
      kind: "header_secret",
      required: ON_MODAL,
      secret: true,
      meaning: "Key of a Modal proxy token",
      example: "wk-...",
    },
    {
      name: "MODAL_SECRET",
      kind: "header_secret",
      required: ON_MODAL,
      secret: true,
      meaning: "Secret of the same Modal proxy token",
      example: "ws-...",
    },
    {
      name: "STT_STREAM_URL",
      kind: "websocket_url",
      meaning: "WebSocket address of the recogniser, instead of the one in the Modal workspace",
      example: "wss://stt.example.org/v1/stream",
    },
    {
      name: "MODAL_WARM_UP",
      kind: "switch",
      default: "on",
      meaning:
        "`on` starts the recogniser when captions are requested, which costs a start even if nobody speaks; " +
        "`off` starts it with the first word, whose captions then wait for it",
      example: "off",
    },
  ],
  settings(env) {
    const { MODAL_WORKSPACE: workspace, MODAL_KEY: key, MODAL_SECRET: secret, STT_STREAM_URL: url } = env;
    // Half of a token is a fault even where none is needed.
    const needsToken = url === undefined || key !== undefined || secret !== undefined;
    requireVariables(this.variables, env, [
      ...url === undefined ? ["MODAL_WORKSPACE"] : [],
      ...needsToken ? ["MODAL_KEY", "MODAL_SECRET"] : [],
    ]);
    const isCold = env.MODAL_WARM_UP === "off";
    return { url: url ?? modalUrl(workspace!), key, secret, ...isCold && { warmUp: false } };
  },
  address: ({ url }) => url,
  create: (settings, parts) => modalStt({ ...settings, ...parts }),
};

/** The server's address for a Modal workspace. */
export function modalUrl(workspace: string): string {
  return `wss://${workspace}--kyutai-stt-rust-kyutaisttrustservice-serve.modal.run/v1/stream`;
}
