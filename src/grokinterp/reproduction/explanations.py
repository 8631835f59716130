"""Why a claim may have failed: our best reading of what was seen, by its id. A guess is called one."""

_TOO_SHORT = (
    "Ours was trained too short: a run of S4 with the same measure had .555 at 20,000 steps, .891 at 30,000, .977 at "
    "40,000 and .992 at 60,000, and 50 networks that the authors of a follow-up published have a median of 1.000. "
)
_LINES = "The notes give neither sizes nor optimiser nor images, so ours is another experiment of the same kind. "
_ENCODINGS = "The codes' periods, sizes and winners are not recorded, and the outcome turns on them. "
_P31 = "The network is ours and small (p = 31), the source's is not. "

EXPLANATIONS = {
    "commutator-leads": (
        "In seeds 0 and 1 the defect leads, by 220 and 340 steps. Seed 2 groks at step 460, so that the five "
        "checkpoints of the baseline, one every 100 steps, already hold the rise: the setting failed there, and not "
        "the claim. Read every 20 steps it stands as commutator-leads-fine."
    ),
    "commutator-leads-fine": (
        "Two of three seeds have the lead, 420 and 180 steps; in seed 0 the defect is ten times its start only 60 "
        "steps after 90 % of the test rows are right. So it rises near grokking, which a memoriser's does not, and "
        "does not always lead: with p = 31 and decay 2 only a few hundred steps lie between memorising and grokking. "
        "Ten times the first five checkpoints is our choice of threshold."
    ),
    "commutator-leads-slower": (
        f"{_P31}With a third of the decay two of three seeds have the lead, 280 and 500 steps; in seed 0 the defect is "
        "ten times its start 360 steps after 90 % of the test rows are right. It leads in two seeds of three again."
    ),
    "trajectory-one-direction": (
        "The path includes 1,000 to 1,500 steps after grokking, and its share falls with every bend; a memoriser's, "
        "which only grows, has .998 in one direction. What is near one is growth of the norm, which decay stops."
    ),
    "trajectory-one-direction-fine": (
        "Without the steps after grokking the share is .58 to .64, nearer to .7 than the .51 to .55 of the first "
        "setting and about what a random walk has. With decay 2 the norm falls first and circuits move later, which "
        "makes two directions; a path with less decay may have one (a guess)."
    ),
    "trajectory-one-direction-slower": (
        f"{_P31}With a third of the decay the share is .56 to .58, with all of it .58 to .64: the guess was wrong."
    ),
    "held-norm-delays": (
        "At .4 to .6 of its initial norm the network does not know its training rows after 20,000 steps: held below "
        "the .75 at which it groks freely. The setting tells nothing of delays."
    ),
    "held-norm-delays-larger": (
        f"{_P31}From .85 to .95 of the initial norm the steps triple, 220 to 660, as the source says of larger norms; "
        "at .75 it stops at 94 % of the unseen rows. One step of the norm is no law, and holding it also moves the "
        "scale of the logits (8, 66 and 14), which is said to explain the delay better (arXiv 2606.18465)."
    ),
    "muon-sooner": (
        "At the same rate Muon keeps a norm of 33 where AdamW's falls to 22: decay acts on it less. After 2,000 steps "
        "77 to 87 % of the test rows are right and rising. Equal rates are no equal footing."
    ),
    "muon-sooner-faster": (
        f"{_P31}At three times the rate the three seeds have 99.7, 93.5 and 89.4 % of the test rows right after 2,000 "
        "steps, one of them 99 % at step 960; AdamW at a third of the rate has them all. Thrice the rate is one guess."
    ),
    "muon-sooner-decay": (
        f"{_P31}With decay 6 the squared norm falls to a twentieth within 200 steps, and not even the training rows "
        "are learnt (7 % after 2,000): Muon's updates have one size whatever the gradient's, so that this decay wins."
    ),
    "prieto-stablemax": (
        "StableMax does keep the loss from collapsing, and the norm grows to 90 against 45 with softmax. Unseen rows "
        "begin to be answered in one seed of three. 2,000 steps are few beside the source's; users of its code report "
        "that figures do not come out alike."
    ),
    "prieto-stablemax-longer": (
        f"{_P31}After 4,000 steps the median has .09 of the unseen rows right, at three times the rate .36, the best "
        "seed .81. By then the loss of every training row is 0 in the arithmetic used, with StableMax too: it "
        "collapses later, and the gradient ends with it."
    ),
    "prieto-perpendicular": (
        "Unseen rows come from 1 % to 61, 71 and 89 % and still rise at the end: the effect is there, and 2,000 steps "
        "are too few for its end. A longer setting is prieto-perpendicular-longer."
    ),
    "prieto-perpendicular-longer": (
        f"{_P31}The accuracies stand still: 73, 65 and 90 % of the unseen rows at step 5,000, where 2,000 steps gave "
        "61, 71 and 89 %. The shorter setting had been read as still rising, which was wrong: without decay the "
        "projection starts the rule and does not finish it here."
    ),
    "prieto-perpendicular-rate": (
        f"{_P31}At three times the rate the training rows are known after 60 steps, and the unseen ones stand still "
        "from there, .05 to .29 after 4,000, while the norm doubles: a larger rate memorises sooner and helps nothing. "
        "The slower rate had .65 to .90."
    ),
    "geometry-torus-trained": (
        "The shape is a torus by the circuit's rule and by its phases, which are independent (1.53 where pi / 2 is "
        "chance). Two components hold .609 instead of .5 since a frequency has ten neurons on average, whose random "
        "phases are not spread evenly. Our margin of .1 was too narrow for so few."
    ),
    "groups-s4-cosets": (f"{_TOO_SHORT}Among the neurons that move the logits it is .86 already."),
    "groups-s5-cosets": (
        f"{_TOO_SHORT}Among the neurons that move the logits it is .967 already. The 250,000 steps of the source take "
        "about an hour."
    ),
    "groups-s5-fve": (
        "One seed is judged by the lowest of the source's ranges. 50 published networks have .899 to .962 for the "
        "unembedding, mean .939; ours, .911, is inside."
    ),
    "groups-s5-causal": (
        "Of 25 published networks the same noise leaves .919 to .998, so that .88 is of another noise or another place "
        "than the text says. Ours, .981, is like theirs."
    ),
    "power-s5-cosets": (
        "A share of .2 cannot be reached: 54 published networks have .115 at most, since only some key irreps see such "
        "a subgroup. The caption also allows conjugates neuron by neuron, which the measure does not."
    ),
    "power-sharpness": (
        "The released script takes twenty seeds of one setting, minimises instead of maximising and averages over "
        "batches. Our ten networks differ in their share of rows, and at a training loss near 1e-7 their sharpness "
        "differs as much between two draws of its subspace as between networks: nothing was measured."
    ),
    "power-number-line": (
        "Stopped 100 steps past grokking, where neighbours in t-SNE are there and columns are not alike enough yet. "
        "3,000 steps more are the next setting."
    ),
    "dlog-neurons": (
        "The abstract names no threshold for a tuned neuron. Weak neurons pull the share down: with those of a tenth "
        "of the largest effect a comparable run has 1.000, and .962 weighted by variance."
    ),
    "dlog-sparsity": (
        "Ours is sparser in characters (.71 against .58) and less so in sums (.04 against .07): weight decay has had "
        "longer to take the rest away (a guess). The direction is theirs, and stronger."
    ),
    "nanda-neurons": (
        "As for dlog-neurons: the share counts weak neurons alike. Seeds differ by .13, so that one seed with .846 "
        "says little; two of three are within .04 of it."
    ),
    "nanda-key-frequencies": (
        "Which and how many are drawn by the seed; theirs is one seed. We have 3, 4 and 5: three to six would be the "
        "claim that can be held."
    ),
    "furuta-trend-mul": (
        "FCR of the embedding had just begun to fall: the run stopped 2,000 steps past grokking. 10,000 more are the "
        "next setting."
    ),
    "furuta-trend-mul-cosine": (
        "On multiplication the sign of the bias is drawn by the seed, which decides whether even or odd characters are "
        "used: at p = 59 a share of .85 was seen. The claim to test is a share far from .5."
    ),
    "furuta-trend-shifted-mul": (
        "An untrained network and a memoriser use all frequencies too: the target says nothing of what was learnt. "
        "With the fall of FCR it stands as furuta-trend-shifted-mul-falls."
    ),
    "furuta-trend-mul-longer": (
        f"{_P31}FFD stays at 1, and FCR falls in three of four readings; in seed 0 that of the embedding falls by .01 "
        "where we ask for .05. The source shows curves and no number."
    ),
    "furuta-trend-mul-cosine-seeds": (
        f"{_P31}Seeds 0 and 1 lean to cosines, by .05 to .13, seed 2 to sines by .01 to .05: both signs occur, as they "
        "say, and the bias is near our bar of .05, which the source does not have."
    ),
    "furuta-groks-sub": (
        f"{_P31}After 10,000 steps .61 of the test rows are right. Swapped rows help a + b and not a - b, so that 60 % "
        "of a table of 961 rows may be too little for it (a guess); the source has 30 % of 9,409."
    ),
    "furuta-groks-square-plus": (
        f"{_P31}After 10,000 steps .55 of the test rows are right; as with a - b, no row is helped by its swap. 80 % "
        "of the table stands as furuta-groks-square-plus-more."
    ),
    "furuta-groks-cube-plus": (
        f"{_P31}After 10,000 steps .81 of the test rows are right, more than of a - b (.61) and of a^2 + b (.55), and "
        "not all. 80 % of the table stands as furuta-groks-cube-plus-more."
    ),
    "furuta-groks-cube-plus-more": (
        f"{_P31}At 80 % of the table .902 and .990 of the test rows are right after 10,000 steps, where 60 % had .81: "
        "more of it brings grokking nearer."
    ),
    "furuta-groks-square-plus-more": (
        f"{_P31}At 80 % of the table one seed of two groks, at step 7,100; the other has .91 of the test rows after "
        "10,000. At 60 % it was .55, so that the size of the table decides here, not the form of the answer."
    ),
    "furuta-trend-no-grokking": (
        "FFD and FCR stand still, as the source says (.04 and .06 at most). But it says that what does not grok looks "
        "untrained, so that an untrained network meets every target: no number here tells one reading from another."
    ),
    "furuta-fails-square-minus": (
        "Of the test rows .39, .55 and .60 are right after 4,000 steps: neither grokked nor unlearnt. It lies with a - "
        "b (.61) and a^2 + b (.55), and ab + b and 2a + b (.09 and .03 at most) lie apart: the source's line between "
        "what groks and what does not runs elsewhere here."
    ),
    "furuta-logits": (
        f"{_P31}Its a - b has not grokked, .61 of the test rows, so that its restricted loss, a sixth of the full one, "
        "says nothing of a network that has. Of a + b the key frequencies do better than the whole network, as theirs."
    ),
    "furuta-groks-square": (
        "After 40,000 steps 97.7 % of the unseen rows are right, 90 % after 7,700, and the last 16,000 steps added .6 "
        "of a percent. Theirs trains for 300,000 at most. A setting of p = 31 is furuta-groks-square-small."
    ),
    "nanda-seeds": (
        "Two of five seeds had not grokked by 2,000 steps (.75 and .98), and cleanup, in which the key frequencies "
        "take the rest of the logits, comes after that. 6,000 steps stand as nanda-seeds-longer."
    ),
    "nanda-seeds-longer": (
        f"{_P31}All five seeds grok now, with two or three key frequencies; they explain .69 to .90 of the logits."
    ),
    "nanda-fractions-order": (
        f"{_P31}The medians of three seeds are in order, 180, 240, 480 and 740 steps. The correlation over all twelve "
        "runs is -.864, since seeds differ by as much as a step of the fractions; -.9 was our bar."
    ),
    "nanda-no-decay": (
        "Without decay it is as they say: .04 of the unseen rows at most. What misses is our own comparison, the same "
        "seed with decay, which has .945 after 2,000 steps. nanda-no-decay-longer gives both 6,000."
    ),
    "nanda-neurons-seeds": (
        f"{_P31}Seeds differ from .56 to .99, more than two settings could tell apart; the lower two had not grokked. "
        "Weighted by variance the median, .858, is theirs."
    ),
    "omnigrok-fixed-norm": (
        f"{_P31}All three seeds do answer the test rows without decay (.979, .995 and 1). But they take 380 to 900 "
        "steps for it, where decay alone takes 460 to 1,020, and know the training rows after 140 to 200: the delay is "
        "shorter and not gone. Holding the norm holds the scale of logits as well (18 to 30)."
    ),
    "grokfast-decay-1": (
        "At decay 1 the plain run needs 770 steps only, and there is little to shorten: the filter's memory of 50 "
        "steps and its larger steps cost more than they bring. The source's 43.8 compares different decays."
    ),
    "grokfast-decay-tenth": (
        f"{_P31}At a tenth of the decay there is a delay to shorten, 8,340 steps; the filter lengthens it to 9,650: it "
        "is not the short delay at decay 1 that hid a gain. One seed; the filter's own numbers were not varied."
    ),
    "grokfast-own-decays": (
        f"{_P31}Within 6,000 steps neither the plain run without decay nor Grokfast at .005 has 95 % of the test rows "
        "right; Grokfast at .1 takes 9,650, and decay .1 alone 8,340. So the gain over no decay has no number here, "
        "and what there is of it is decay's: beside the same decay the filter costs a seventh, as before."
    ),
    "pizza-rate-irrelevance": (
        "At both ends it is theirs, .27 and .84. At rate .45 ours is .54 where theirs is .36: distance irrelevance of "
        "the sums settles last (models A to C were above a half after 6,000 steps too), and ours were stopped at "
        "3,000. Gradient symmetricity at the same rate, .98 and .99, is theirs already."
    ),
    "early-warning": (
        "In MLPs the latent circuit is well ahead of the accuracy on unswapped rows, in transformers it is not, and 12 "
        "runs of the held-out half that grok and have it are few: the interval reaches from 14 % behind to 25 % ahead."
    ),
    "he-latent-early": (
        "Their own file gives .641 at step 400, ours .179: its phases have their order a few hundred steps later. From "
        "1,000 on both agree (.897 and .897). At 400 everything is moving, and another draw of weights moves it."
    ),
    "latent-memoriser": (
        "Where 60 % of the rows are seen, a network without decay has some order of phases though it answers no unseen "
        "row: .38 at p = 31. At p = 113 and 30 % of the rows the same measure stays at .032. So the circuit is begun "
        "without decay and not enforced: readable is not the same as about to grok."
    ),
    "sci-memorised": ("225, 265 and 305 epochs against their 240: seeds differ by more than our quarter."),
    "sci-test-loss": (
        "5e-5 in two seeds, where 0.0000 is printed below 5e-5: missed by a tenth. Zero tolerance is the claim's "
        "fault; 25 % on the epoch would be met."
    ),
    "sci-circles": (
        "All six frequencies are there; five circles of six are clean. Their figure is of epoch 20,000, ours of 2,000, "
        "and purity rises (.89 in the least of seed 42). 440,000 steps take about 40 minutes."
    ),
    "regimes-data": (
        "Where medium data lies is not said. 30 % is too little for this network within 15,000 steps, 50 % nearly too "
        "much; at 40 % it groks by their words. 35 and 45 % are the next settings."
    ),
    "digits-phase-changes": (
        "Each digit has its own fall and the leading one is first, as theirs. The order between is drawn by the run: "
        "our units come fourth, not fifth."
    ),
    "digits-finite": (
        "It memorises first and the loss rises at their step, to 2.6 instead of 8.5: how high it rises is set by rate "
        "and decay, of which nothing is recorded."
    ),
    "skip-trigram-finite": (
        "With two kinds of key our network memorises its 50 rows for good; with one kind it understands before it "
        "could memorise. Theirs lies between; 100 rows are the next setting."
    ),
    "slope-grid-over-time": (
        "Ours forms its grid later: .28 of two components at 4,000 where theirs has .73, though it generalises "
        "earlier. Steps of two runs cannot be laid side by side; accuracy can."
    ),
    "lines-flips": (
        f"{_LINES}Their .36 is of the nested model trained on noisy data; ours were clean. Noisy training is the next "
        "setting."
    ),
    "lines-translation": (
        f"{_LINES}At the last layer every classifier clusters by class, translated or not: the question has to be "
        "asked of the first block, with shifts of 1 to 3 pixels."
    ),
    "lines-rank": (
        f"{_LINES}Our models are narrow, so that a tenth of a matrix is a few directions. Theirs lost a tenth of one "
        "matrix at a time and started from 85.5 % on noisy images."
    ),
    "encodings-concatenate": (
        f"{_ENCODINGS}Ours learns 65 to 98 % of the pairs by heart. The source doubled widths too; doubled, ours has "
        ".716 of the training and .503 of the test pairs: probably irreproducible as written."
    ),
    "induction-one-layer": (
        "No head copies, and the losses stay at 2.6 to 2.9 of the 3.5 of a guess. But by the measure of a phase change "
        "one run of three has one: .60 of its fall lies in a tenth of its steps, the first. The measure does not tell "
        "a quick start from a late change."
    ),
    "encodings-equal": (f"{_ENCODINGS}Only long irregular periods make i = j harder, and half of the way."),
    "encodings-overlap": (
        f"{_ENCODINGS}With the best of about twenty settings our three seeds have .953, theirs .969. A best of twenty "
        "needs a bar that was not used to choose it."
    ),
    "encodings-forest": (f"{_ENCODINGS}With one period the forest generalises; with short ones it overfits as theirs."),
    "encodings-bits": (
        f"{_ENCODINGS}A bit shares .44 of its variance with the answer at most. Half was our bar, not the source's: "
        "mutual information against shuffled labels is the next measure."
    ),
    "embeddings-use-few-frequencies": (
        "Few indeed: 3, 3 and 2 of 15. The source's number grows with the logarithm of p, and 3 to 6 was seen at "
        "larger p; one seed falls below it."
    ),
    "regimes-data-between": (
        "At 35 % the delay is 2.7 times, at 45 % 1.8 times the steps of memorising: the line at 2 lies between."
    ),
    "he-latent-early-seeds": (
        "At step 400 the five seeds have .18 to .57 of the rows rebuilt; their own seed had .64, ours of the first "
        "setting .18. At 1,000 and 2,400 it is as they say in the median. So the order comes early in every seed, and "
        "their figure at 400 is a lucky one."
    ),
    "embeddings-use-few-frequencies-larger": (
        "Three frequencies in three of four runs, two in one at p = 59: the low end of its 3 to 6. Larger p did not "
        "bring more."
    ),
}
"""Written by hand; shown beside what was seen as long as the claim stands as failed."""
