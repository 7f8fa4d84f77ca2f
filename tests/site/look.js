// Looks at every frame of this page as a reader would, and writes down what is wrong, one line each: what is wider than
// its frame, letters that no font has, and text that can hardly be told from what is behind it.
addEventListener("load", () => {
  const found = [];
  let letters = 0;

  // a letter that no font has is drawn like one that does not exist
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 40;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const drawn = (letter, font) => {
    pen.clearRect(0, 0, 40, 40);
    pen.font = font;
    pen.fillText(letter, 8, 28);
    return pen.getImageData(0, 0, 40, 40).data.join();
  };
  const missing = (letter, font) => {
    const key = letter + font;
    if (!known.has(key)) known.set(key, drawn(letter, font) === drawn("\u{10fffe}", font));
    return known.get(key);
  };

  const colour = text => {
    const parts = text.match(/[\d.]+/g).map(Number);
    return { r: parts[0], g: parts[1], b: parts[2], a: parts.length > 3 ? parts[3] : 1 };
  };
  const over = (top, under) => {
    const mix = key => top[key] * top.a + under[key] * (1 - top.a);
    return { r: mix("r"), g: mix("g"), b: mix("b"), a: 1 };
  };
  // relative luminance and contrast as WCAG 2.2 defines them
  const light = ({ r, g, b }) => {
    const part = value => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const contrast = (one, other) => {
    const [high, low] = [light(one), light(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };

  for (const frame of document.querySelectorAll("iframe")) {
    const { contentDocument: page, contentWindow: view } = frame;
    const say = what => found.push(`${frame.title}: ${what}`);
    if (!page || !page.body || !page.body.children.length) {
      say("is empty");
      continue;
    }
    const wide = view.innerWidth;
    if (page.documentElement.scrollWidth > wide) say(`is ${page.documentElement.scrollWidth} wide`);
    for (const part of page.body.querySelectorAll("*")) {
      const style = view.getComputedStyle(part);
      if (style.display === "none" || part.closest("svg") && part.tagName !== "svg") continue;
      const box = part.getBoundingClientRect();
      const scrolls = part.parentElement.closest(".scroll,pre");
      if (!scrolls && box.width > 0 && box.right > wide + 1) say(`<${part.tagName}> ${part.className} ends at ${Math.round(box.right)}`);
      if (part.tagName === "IMG" && !part.naturalWidth) say(`picture ${part.getAttribute("src")} is not shown`);
    }
    const walker = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const part = node.parentElement;
      const text = node.data.trim();
      if (!text || part.closest("style,title,details:not([open]) > :not(summary)")) continue;
      const style = view.getComputedStyle(part);
      const font = `16px ${style.fontFamily}`;
      for (const letter of new Set(text)) {
        letters += 1;
        if (letter > "~" && missing(letter, font)) say(`no font has ${letter} (U+${letter.codePointAt(0).toString(16)})`);
      }
      if (part.closest("svg")) continue;
      let behind = { r: 0, g: 0, b: 0, a: 0 };
      for (let back = part; back && behind.a < 1; back = back.parentElement) {
        const here = colour(view.getComputedStyle(back).backgroundColor);
        if (here.a > 0) behind = behind.a > 0 ? over(behind, here) : here;
      }
      const seen = contrast(over(colour(style.color), behind), behind);
      const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.5 && style.fontWeight >= 700);
      if (seen < (large ? 3 : 4.5)) say(`"${text.slice(0, 30)}" has a contrast of ${seen.toFixed(1)}`);
    }
  }
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const list = document.createElement("pre");
  list.id = "found";
  list.textContent = [`${dark ? "dark" : "light"}, ${letters > 0 ? "letters seen" : "no letter seen"}`, ...new Set(found)].join("\n");
  document.body.replaceChildren(list);
});
