"use strict";
// The cells of a map as its image, in plotly's own colours: what plotly would draw, without the axes and the scale that
// it draws anew with every change of a cell.
window.grokinterpCells = (() => {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  // The canvas tells a colour of any form as #rrggbb, or as rgba(r, g, b, a) where light shines through.
  const channels = (colour) => {
    context.fillStyle = colour;
    const told = context.fillStyle;
    if (told[0] === "#") return [1, 3, 5].map((at) => parseInt(told.slice(at, at + 2), 16)).concat(1);
    return told.match(/[\d.]+/g).map(Number);
  };
  const numbers = ({ bdata }) => {
    const text = atob(bdata), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
    return new Float32Array(bytes.buffer);
  };
  // A value between two stops lies between their colours; beyond the last it has the last one's.
  const colouring = ({ colorscale, zmin, zmax }) => {
    const stops = colorscale.map(([share, colour]) => [zmin + share * (zmax - zmin), channels(colour)]);
    return (value, channel) => {
      let above = 1;
      while (above < stops.length - 1 && value >= stops[above][0]) above += 1;
      const [[from, low], [to, high]] = [stops[above - 1], stops[above]];
      const share = Math.min(Math.max((value - from) / (to - from), 0), 1);
      return low[channel] * (1 - share) + high[channel] * share;
    };
  };
  const pixels = (trace, [rows, columns]) => {
    const colour = colouring(trace), data = new Uint8ClampedArray(4 * rows * columns);
    numbers(trace.z).forEach((value, i) => {
      if (!Number.isFinite(value)) return;
      for (let channel = 0; channel < 3; channel += 1) data[4 * i + channel] = Math.round(colour(value, channel));
      data[4 * i + 3] = Math.round(255 * colour(value, 3));
    });
    return new ImageData(data, columns, rows);
  };
  return {
    // Whether there was an image of these cells, first row on top, to paint.
    paint: (drawn, trace) => {
      const image = drawn.querySelector(".heatmaplayer image");
      if (!image || !trace || trace.type !== "heatmap") return false;
      const sizes = trace.z.shape.split(", ").map(Number);
      [canvas.height, canvas.width] = sizes;
      context.putImageData(pixels(trace, sizes), 0, 0);
      image.setAttributeNS("http://www.w3.org/1999/xlink", "xlink:href", canvas.toDataURL("image/png"));
      return true;
    },
  };
})();
