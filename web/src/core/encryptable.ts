/** Whether this browser can encrypt end to end: WebRTC encoded transform (W3C), or Chromium's earlier form of it. */
export function canEncrypt(): boolean {
  const transforms = "RTCRtpScriptTransform" in globalThis || (typeof RTCRtpSender !== "undefined" && "createEncodedStreams" in RTCRtpSender.prototype);
  return transforms && typeof Worker !== "undefined" && globalThis.crypto?.subtle !== undefined;
}
