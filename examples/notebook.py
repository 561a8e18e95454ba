# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     name: python3
#     display_name: Python 3
# ---

# %% [markdown]
# # Grasps from a sentence
# A mesh and a sentence in, simulated dexterous grasps out; on a CPU, without a key. The first run compiles
# for a minute or two. On a hosted notebook, first: `%pip install zdg-jax` (a release) or the wheel you built.

# %%
import zdg_jax as zdg

zdg.setup()
NUM, STEPS = 32, 300  # 64 and 600 are the defaults; fewer are quicker

# %% [markdown]
# ## What the reasoner sees and says

# %%
obj, hand = zdg.load_object("ycb:013_apple"), zdg.load_hand("human16")
told = zdg.reason(obj, hand, "lift it", zdg.make_reasoner("offline"))
for stage in told.trace["stages"]:
    print(stage["stage"], {k: v for k, v in stage["answer"].items() if k != "reasoning"})
next(iter(told.pictures.values()))

# %% [markdown]
# ## Grasps

# %%
done = zdg.synthesize(obj, "lift it", num=NUM, steps=STEPS, keep=2, select="gravity", hypotheses=1)
done.show()

# %%
best = done.best
dict(zip(best.joint_names, best.joints[0].round(2).tolist(), strict=True))

# %% [markdown]
# ## As a table

# %%
done.kept.to_table().select(["grasp_id", "grasp_type", "p_dep_cm", "sim_dis_cm", "energy_total"]).to_pylist()
