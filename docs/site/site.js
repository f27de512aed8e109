// A button on each code block, which copies it; of an interactive session
// what was typed.
document.addEventListener('DOMContentLoaded', () => {
  for (const pre of document.querySelectorAll('div.highlight pre')) {
    const text = pre.textContent;
    const typed = text
      .split('\n')
      .filter((line) => /^(>>>|\.\.\.)( |$)/.test(line))
      .map((line) => line.slice(4));
    const button = document.createElement('button');
    button.className = 'copy';
    button.textContent = 'Copy';
    button.onclick = async () => {
      await navigator.clipboard.writeText(
        typed.length ? typed.join('\n') + '\n' : text
      );
      button.textContent = 'Copied';
      setTimeout(() => { button.textContent = 'Copy'; }, 1500);
    };
    pre.parentElement.append(button);
  }
});

// A picture opens in its own size.
document.addEventListener('DOMContentLoaded', () => {
  for (const picture of document.querySelectorAll('article img')) {
    if (picture.closest('a')) continue;
    const link = document.createElement('a');
    link.href = picture.src;
    picture.replaceWith(link);
    link.append(picture);
  }
});
