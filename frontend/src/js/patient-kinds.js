// Sliders and spoken answers, beside patient.js on the pages that lead through a form.
import { slide } from "./lib/slide.js";
import { voice } from "./lib/voice.js";

const begin = () => { slide(); voice(); };
document.addEventListener("careloop:page", begin);
begin();
