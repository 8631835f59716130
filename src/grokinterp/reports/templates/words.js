// Explains each word of the glossary under the mouse, where the page uses it first.
(() => {
  "use strict";
  const meanings = new Map();
  for (const term of document.querySelectorAll(".words dt")) {
    meanings.set(term.textContent.toLowerCase(), term.nextElementSibling.textContent);
  }
  if (!meanings.size) return;
  const quoted = (word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const longest = [...meanings.keys()].sort((a, b) => b.length - a.length).map(quoted);
  const pattern = new RegExp(`(?<![\\w-])(${longest.join("|")})s?(?![\\w-])`, "gi");
  const left = new Set(meanings.keys());
  for (const block of document.querySelectorAll("main section > p, figcaption, .facts th, .remark")) {
    const texts = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      const match = [...text.data.matchAll(pattern)].find((each) => left.delete(each[1].toLowerCase()));
      if (!match) continue;
      const word = text.splitText(match.index);
      word.splitText(match[0].length);
      const mark = document.createElement("abbr");
      mark.title = meanings.get(match[1].toLowerCase());
      word.replaceWith(mark);
      mark.append(word);
      // Go on behind the word: what follows may hold another.
      texts.currentNode = word;
    }
  }
})();
