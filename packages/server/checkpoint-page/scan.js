/** The camera, until a QR symbol was read: by the browser's own detector where it has one, else by a decoder in JavaScript. */
const sideMax = 800;
const everyMs = 150;

/** Resolves to the text; undefined: `signal` ended it. @throws where there is no camera, or it may not be used */
export async function scan(video, signal) {
  const camera = { facingMode: 'environment', width: { ideal: 1920 }, height: { ideal: 1080 } };
  const stream = await navigator.mediaDevices.getUserMedia({ video: camera, audio: false });
  try {
    video.srcObject = stream;
    await video.play();
    const read = await reader();
    while (!signal.aborted) {
      const text = await read(video);
      if (text) return text;
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
    return undefined;
  } finally {
    video.srcObject = null;
    for (const track of stream.getTracks()) track.stop();
  }
}

async function reader() {
  const { BarcodeDetector } = globalThis;
  const formats = BarcodeDetector ? await BarcodeDetector.getSupportedFormats() : [];
  if (formats.includes('qr_code')) {
    const detector = new BarcodeDetector({ formats: ['qr_code'] });
    return async (video) => (await detector.detect(video))[0]?.rawValue;
  }
  await import('/checkpoint/jsqr.js');
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  return async (video) => {
    const scale = Math.min(1, sideMax / Math.max(video.videoWidth, video.videoHeight, 1));
    canvas.width = Math.max(1, video.videoWidth * scale);
    canvas.height = Math.max(1, video.videoHeight * scale);
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
    return globalThis.jsQR(data, width, height)?.data;
  };
}
