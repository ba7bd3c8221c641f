import { connect, type Box, type ConnectOptions } from "edge-client";
import { useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";

function Camera({ url, token }: Pick<ConnectOptions, "url" | "token">) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [boxes, setBoxes] = useState<Box[]>([]);
  const [problem, setProblem] = useState("");

  useEffect(() => {
    const ended = new AbortController();
    navigator.mediaDevices.getUserMedia({ video: { width: 640 } }).then((stream) => {
      const stop = () => stream.getTracks().forEach((track) => track.stop());
      if (ended.signal.aborted) return stop();
      const session = connect({
        url, token, stream, sloMs: 1000,
        onDetections: (detections) => setBoxes(detections.boxes),
        onError: ({ title }) => setProblem(title),
      });
      session.drawOn(canvas.current);
      ended.signal.addEventListener("abort", () => {
        session.close();
        stop();
      });
    }, (error) => setProblem(error.message));
    return () => ended.abort();
  }, [url, token]);

  return (
    <figure>
      <canvas ref={canvas} style={{ width: "100%", maxWidth: 640 }} />
      <figcaption role="status">{problem || boxes.map((box) => box.class).join(", ") || "nothing"}</figcaption>
    </figure>
  );
}

const query = new URLSearchParams(location.search);
createRoot(document.getElementById("root")!).render(<Camera url={query.get("server")!} token={query.get("token") ?? ""} />);
